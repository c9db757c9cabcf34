//! How far the proxies are.

use std::{fmt, time::Duration};

use isthmus_core::federation::MeshName;

use super::{MAX_REASON, Propagation};

/// How far one proxy is in the present phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It has done what the phase asks of it.
    Done,
    /// It is connected, and hasn't yet.
    Behind,
    /// It is connected, and said no.
    Refused(String),
    /// It should be there, and isn't connected.
    Absent,
}

/// All proxies that there should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// How many there are.
    pub total: usize,
    /// How many have done what the phase asks of them.
    pub done: usize,
    refused: Option<(String, String)>,
    behind: Few,
    absent: Few,
}

/// A number, and one of them to begin looking at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Few {
    count: usize,
    first: Option<String>,
}

/// Why a rotation doesn't go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// A proxy refused the roots.
    Refusal {
        /// Its pod.
        pod: String,
        /// What it says.
        reason: String,
    },
    /// Proxies are connected and haven't done what the phase asks of them.
    Behind {
        /// How many.
        count: usize,
        /// The pod of one.
        pod: String,
    },
    /// Proxies are absent, and may hold a leaf that is valid.
    Absent {
        /// How many.
        count: usize,
        /// The pod of one.
        pod: String,
        /// How much longer they are waited for.
        left: Duration,
    },
    /// A peer refuses the bundle.
    PeerRefusal {
        /// Which mesh.
        mesh: MeshName,
        /// What it says.
        reason: String,
    },
    /// Peers are connected, and not all of their proxies hold the bundle.
    PeersBehind {
        /// How many.
        count: usize,
        /// One of them.
        mesh: MeshName,
        /// How many of its proxies hold the newest bundle that it knows.
        proxies: Propagation,
    },
    /// Peers are out of contact.
    PeersAbsent {
        /// How many.
        count: usize,
        /// The one that is waited for longest.
        mesh: MeshName,
        /// How much longer.
        left: Duration,
    },
    /// Something else.
    For(String),
}

impl Census {
    /// Counts the proxies of these pods.
    pub fn of(proxies: impl IntoIterator<Item = (impl fmt::Display, Standing)>) -> Self {
        let mut census = Self::default();
        for (pod, standing) in proxies {
            census.total += 1;
            match standing {
                Standing::Done => census.done += 1,
                Standing::Behind => census.behind.add(pod),
                Standing::Absent => census.absent.add(pod),
                Standing::Refused(reason) => {
                    let reason = reason.chars().take(MAX_REASON).collect();
                    census.refused.get_or_insert_with(|| (pod.to_string(), reason));
                }
            }
        }
        census
    }

    /// What to wait for. `absence`: how much longer absent proxies are waited for.
    pub(super) fn waiting(&self, absence: Option<Duration>) -> Option<Waiting> {
        if let Some((pod, reason)) = self.refused.clone() {
            return Some(Waiting::Refusal { pod, reason });
        }
        if let Few { count, first: Some(pod) } = self.behind.clone() {
            return Some(Waiting::Behind { count, pod });
        }
        match (self.absent.clone(), absence) {
            (Few { count, first: Some(pod) }, Some(left)) => Some(Waiting::Absent { count, pod, left }),
            _ => None,
        }
    }
}

impl Few {
    fn add(&mut self, pod: impl fmt::Display) {
        self.count += 1;
        self.first.get_or_insert_with(|| pod.to_string());
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refusal { pod, reason } => write!(f, "the proxy of {pod} refused: {reason}"),
            Self::Behind { count, pod } => write!(f, "{count} connected, {pod} among them"),
            Self::Absent { count, pod, left } => write!(
                f,
                "{count} absent, {pod} among them, for {} minutes more at most; delete the pod to go on",
                minutes(*left)
            ),
            Self::PeerRefusal { mesh, reason } => write!(f, "mesh {mesh} refused: {reason}"),
            Self::PeersBehind { count, mesh, proxies } => {
                write!(f, "peers: {count} connected, {mesh} among them with {proxies} proxies")
            }
            Self::PeersAbsent { count, mesh, left } => write!(
                f,
                "peers: {count} out of contact, {mesh} among them, for {} minutes more at most; revoke the peer to go on",
                minutes(*left)
            ),
            Self::For(what) => f.write_str(what),
        }
    }
}

fn minutes(left: Duration) -> u64 {
    left.as_secs().div_ceil(60)
}
