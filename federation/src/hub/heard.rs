//! When members were heard, and how much of them: none takes more of the hub than its part. One that says more is heard later, by
//! which its own connection is held back, and nobody else's.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use isthmus_core::{federation::MeshName, rate::Pace};

use crate::{
    limits::{SAID_A_SECOND, SAID_AT_ONCE, SAID_BY_A_MESH, SESSIONS_A_SECOND, SESSIONS_AT_ONCE},
    names::Cluster,
};

/// How often a member that says too much is told so.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Who.
pub(super) type Speaker = (MeshName, Cluster);

/// All members. What one was allowed outlives its sessions, or a new one would be a way round it. `now` is the time since any epoch.
#[derive(Debug, Default)]
pub(super) struct Heard {
    clusters: BTreeMap<Speaker, Voice>,
    meshes: BTreeMap<MeshName, Mesh>,
}

#[derive(Debug)]
struct Mesh {
    sessions: Pace,
    said: Pace,
}

#[derive(Debug)]
struct Voice {
    at: Duration,
    pace: Pace,
    told: Option<Duration>,
}

/// When something is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// So much later.
    pub(super) wait: Duration,
    /// And it is time to tell that.
    pub(super) tell: bool,
}

impl Heard {
    /// A cluster of the mesh wants to begin a session. Else: how long until it may.
    pub(super) fn arrive(&mut self, mesh: &MeshName, now: Duration) -> Result<(), Duration> {
        let sessions = &mut self.meshes.entry(mesh.clone()).or_insert_with(Mesh::new).sessions;
        match sessions.wait(now) {
            Duration::ZERO => drop(sessions.take(1, now)),
            wait => return Err(wait),
        }
        Ok(())
    }

    /// A cluster says something of so many bytes.
    pub(super) fn say(&mut self, who: &Speaker, bytes: usize, now: Duration) -> Turn {
        let new = || Voice { at: now, pace: Pace::new(SAID_AT_ONCE, SAID_A_SECOND), told: None };
        let voice = self.clusters.entry(who.clone()).or_insert_with(new);
        voice.at = now;
        let kibibytes = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let tokens = kibibytes.saturating_add(1);
        let mesh = self.meshes.entry(who.0.clone()).or_insert_with(Mesh::new);
        let wait = voice.pace.take(tokens, now).max(mesh.said.take(tokens, now));
        let tell = !wait.is_zero() && voice.told.is_none_or(|told| now.saturating_sub(told) >= TELL_EVERY);
        if tell {
            voice.told = Some(now);
        }
        Turn { wait, tell }
    }

    /// Forgets who isn't there any more; gives whom.
    pub(super) fn retain(&mut self, there: &BTreeMap<MeshName, BTreeSet<Cluster>>) -> Vec<Speaker> {
        self.meshes.retain(|mesh, _| there.contains_key(mesh));
        let is_gone = |(mesh, cluster): &Speaker| there.get(mesh).is_none_or(|clusters| !clusters.contains(cluster));
        let gone: Vec<_> = self.clusters.extract_if(.., |speaker, _| is_gone(speaker)).collect();
        gone.into_iter().map(|(speaker, _)| speaker).collect()
    }

    /// How long each has said nothing.
    pub(super) fn silences(&self, now: Duration) -> impl Iterator<Item = (&Speaker, Duration)> {
        self.clusters.iter().map(move |(speaker, voice)| (speaker, now.saturating_sub(voice.at)))
    }
}

impl Mesh {
    fn new() -> Self {
        let many = |tokens: u32| tokens.saturating_mul(SAID_BY_A_MESH);
        Self {
            sessions: Pace::new(SESSIONS_AT_ONCE, SESSIONS_A_SECOND),
            said: Pace::new(many(SAID_AT_ONCE), many(SAID_A_SECOND)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        limits::{HEARTBEAT, MAX_CLUSTER_BYTES, MAX_CLUSTERS, MAX_PEERS},
        testing::{cluster, mesh},
    };

    const SECOND: Duration = Duration::from_secs(1);

    fn of(name: &str) -> Speaker {
        (mesh(name), cluster(name))
    }

    #[test]
    fn the_largest_honest_member_is_never_kept_waiting() {
        let mut heard = Heard::default();
        for n in 0..MAX_CLUSTERS {
            assert_eq!(heard.arrive(&mesh("west"), Duration::ZERO), Ok(()), "{n}");
        }
        // A hub that was restarted: all catalogs, and then a sign of life and an acknowledgement to every peer, for an hour.
        let at_once = Turn { wait: Duration::ZERO, tell: false };
        for _ in 0..MAX_PEERS {
            assert_eq!(heard.say(&of("west"), MAX_CLUSTER_BYTES / MAX_PEERS, Duration::ZERO), at_once);
        }
        for beat in 0..720 {
            for _ in 0..2 * MAX_PEERS {
                assert_eq!(heard.say(&of("west"), 1500, beat * HEARTBEAT), at_once);
            }
        }
    }

    #[test]
    fn who_says_too_much_is_heard_later_and_is_told_so_once_a_minute() {
        let mut heard = Heard::default();
        let mut now = Duration::ZERO;
        let (mut told, mut said) = (0, 0);
        while now < 150 * SECOND {
            let Turn { wait, tell } = heard.say(&of("west"), 100, now);
            now += wait;
            (told, said) = (told + u32::from(tell), said + 2);
            assert_eq!(heard.say(&of("east"), 0, now).wait, Duration::ZERO, "nobody else waits");
        }
        assert!(said <= SAID_AT_ONCE + 150 * SAID_A_SECOND + 2, "{said}");
        assert_eq!(told, 3);
    }

    #[test]
    fn a_mesh_of_many_clusters_has_no_more_than_a_mesh_may() {
        let mut heard = Heard::default();
        let all: Vec<_> = (0..MAX_CLUSTERS).map(|n| (mesh("west"), cluster(&format!("west-{n}")))).collect();
        let most = SAID_BY_A_MESH * (SAID_AT_ONCE + 10 * SAID_A_SECOND);
        let at_once = |heard: &mut Heard, who: &Speaker| heard.say(who, 1024, 10 * SECOND).wait.is_zero();
        let said: u32 =
            all.iter().map(|who| (0..SAID_AT_ONCE).filter(|_| at_once(&mut heard, who)).count() as u32).sum();
        assert!(2 * said <= most, "{said}");
        assert_eq!(heard.say(&of("east"), 0, 10 * SECOND).wait, Duration::ZERO);
    }

    #[test]
    fn sessions_begin_at_a_pace_whatever_the_cluster_is_called() {
        let mut heard = Heard::default();
        let begun = (0..1000).filter(|_| heard.arrive(&mesh("west"), SECOND).is_ok()).count();
        assert_eq!(begun, usize::try_from(SESSIONS_AT_ONCE).unwrap() + 1);
        assert!(heard.arrive(&mesh("west"), SECOND).is_err_and(|wait| wait <= SECOND));
        assert_eq!(heard.arrive(&mesh("east"), SECOND), Ok(()));
        assert_eq!(heard.arrive(&mesh("west"), 2 * SECOND), Ok(()));
    }

    #[test]
    fn who_has_gone_is_forgotten() {
        let mut heard = Heard::default();
        heard.say(&of("west"), 0, Duration::ZERO);
        heard.say(&of("east"), 0, SECOND);
        let there = BTreeMap::from([(mesh("east"), BTreeSet::from([cluster("east")]))]);
        assert_eq!(heard.retain(&there), [of("west")]);
        assert_eq!(heard.silences(3 * SECOND).collect::<Vec<_>>(), [(&of("east"), 2 * SECOND)]);
    }
}
