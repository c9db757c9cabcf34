//! Of a mesh of several clusters the first one rotates the root, and the others follow it: docs/adr/0013. What this cluster is to
//! the others, and whom a rotation waits for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use isthmus_core::{federation::MeshName, id::ObjectName};
use isthmus_federation::{member::Trust, names::Cluster};
use isthmus_identity::{Authority, Census, Propagation};

use super::Roots;
use crate::index::{Index, Mesh};

/// What this cluster is to the others of its mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// It decides; `others` follow. There are none where the mesh names none.
    First {
        /// As the Mesh names them.
        others: BTreeSet<Cluster>,
    },
    /// It follows this one.
    Follower {
        /// The one that decides.
        first: Cluster,
    },
}

/// How far another cluster of the mesh is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sibling {
    /// Has it a session with the hub?
    pub(crate) connected: bool,
    /// The newest bundle of the mesh for which the cluster has done what its phase asks.
    pub(crate) complete: u64,
    /// Its proxies, and its controller.
    pub(crate) proxies: Propagation,
}

/// The other clusters that are heard of.
pub(crate) type Siblings = BTreeMap<Cluster, Sibling>;

impl Role {
    /// As the own Mesh says. Without one the mesh is of one cluster.
    pub(crate) fn of(name: &MeshName, mesh: Option<&Mesh>) -> Self {
        let clusters = mesh.map_or(&[][..], |mesh| &mesh.clusters);
        let own = mesh.and_then(|mesh| mesh.cluster.as_ref()).unwrap_or(name).as_str();
        match clusters.split_first() {
            Some((first, _)) if first.as_str() != own => Self::Follower { first: first.clone() },
            Some((_, others)) => Self::First { others: others.iter().cloned().collect() },
            None => Self::First { others: BTreeSet::new() },
        }
    }

    /// As the own Mesh of an index says.
    pub(crate) fn here(index: &Index) -> Self {
        let name = &index.settings.mesh;
        Self::of(name, index.meshes.get(&ObjectName::new("", name.as_str())).map(|mesh| &mesh.content))
    }

    /// Signs the certificate by which this cluster speaks to the hub, and to others through it. Of one that follows it is of the new
    /// root as soon as that signs: the hub knew it before the cluster did, and forgets the old one when the first cluster retires it.
    /// A cluster that came back to the hub at that moment with a certificate of the old one would never hear of it.
    pub(crate) fn voice<'r>(&self, roots: &'r Roots) -> &'r Arc<Authority> {
        match self {
            Self::First { .. } => roots.elder(),
            Self::Follower { .. } => roots.signer(),
        }
    }

    /// What a rotation waits for before the next phase after the one of this sequence. A cluster that isn't there is waited for as
    /// long as it is named: it can't be known whether it still runs.
    pub(crate) fn obstacle(&self, siblings: &Siblings, sequence: u64) -> Option<String> {
        let Self::First { others } = self else { return Some("the first cluster of the mesh".to_owned()) };
        let there = siblings.iter().filter(|(_, sibling)| sibling.connected).map(|(cluster, _)| cluster);
        if let Some(stranger) = there.clone().find(|cluster| !others.contains(cluster)) {
            return Some(format!(
                "cluster {stranger} of this mesh, which spec.clusters of the Mesh doesn't name: write all clusters there, alike in \
                 each, and the one that rotates the root first"
            ));
        }
        let behind = others.iter().map(|cluster| (cluster, siblings.get(cluster).cloned().unwrap_or_default()));
        let (cluster, sibling) = behind.into_iter().find(|(_, sibling)| sibling.complete < sequence)?;
        Some(match sibling.connected {
            true => format!("cluster {cluster} to follow, {} of its proxies and controller have", sibling.proxies),
            false => format!(
                "cluster {cluster} to follow, which has no session with the hub: bring it back, or take it off spec.clusters of the \
                 Mesh if it is gone for good"
            ),
        })
    }
}

/// What the mesh's other clusters are told of this one: how many have done what the phase asks, its controller among them. That
/// counts as the last, when nothing holds this cluster up.
pub(super) fn progress(sequence: u64, census: &Census, complete: bool) -> Trust {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let total = number(census.total).saturating_add(1);
    let trusting = if complete { total } else { number(census.done).min(total - 1) };
    Trust { sequence, trusting, total }
}

impl fmt::Display for Role {
    /// What is said of it behind the state of a rotation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First { .. } => Ok(()),
            Self::Follower { first } => write!(f, "; follows cluster {first}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use isthmus_identity::{Phase, Rotation, Standing};
    use serde_json::json;

    use super::*;
    use crate::{
        compile::Reader,
        testing::{global, index_of},
    };

    fn role(spec: serde_json::Value) -> Role {
        let index = index_of([global("Mesh", "isthmus", spec)]);
        Role::of(&"isthmus".parse().unwrap(), Reader::new(&index).own_mesh().map(|mesh| &mesh.content))
    }

    fn cluster(name: &str) -> Cluster {
        name.parse().unwrap()
    }

    fn first(others: &[&str]) -> Role {
        Role::First { others: others.iter().map(|name| cluster(name)).collect() }
    }

    fn sibling(connected: bool, complete: u64) -> Sibling {
        Sibling { connected, complete, proxies: Propagation { done: 1, total: 3 } }
    }

    #[test]
    fn the_first_cluster_that_is_named_decides_and_the_others_follow() {
        let of = |own: Option<&str>, all: &[&str]| {
            role(json!({"trustDomain": "isthmus.local", "cluster": own, "clusters": all}))
        };
        assert_eq!(of(Some("a"), &["a", "b"]), first(&["b"]));
        assert_eq!(of(Some("b"), &["a", "b"]), Role::Follower { first: cluster("a") });
        assert_eq!(of(None, &["isthmus", "b"]), first(&["b"]), "without a name of its own it has the mesh's");
        assert_eq!(role(json!({"trustDomain": "isthmus.local"})), first(&[]));
        assert_eq!(Role::of(&"isthmus".parse().unwrap(), None), first(&[]));
        // A list that doesn't name this cluster is none: the others are seen at the hub, and hold a rotation up.
        assert_eq!(of(Some("c"), &["a", "b"]), first(&[]));
    }

    #[test]
    fn who_follows_speaks_by_the_new_root_as_soon_as_it_signs() {
        let (hour, now) = (Duration::from_secs(3600), SystemTime::now());
        let domain = isthmus_core::id::TrustDomain::new("isthmus.local").unwrap();
        let root = || Arc::new(Authority::generate(domain.clone(), now, hour).unwrap());
        let (old, new) = (root(), root());
        let begun = Roots::begin(old.clone(), hour, now).unwrap();
        let phase = Phase::Turning { signer: new.root(), old: old.root() };
        let rotation = Rotation { phase, sequence: begun.rotation.sequence + 2, ..begun.rotation };
        let (chain, tokens) = (begun.chain().clone(), begun.tokens().clone());
        let turning = Roots::of(rotation, &[old.clone(), new.clone()], chain, tokens).unwrap().unwrap();
        let follower = Role::Follower { first: cluster("a") };
        assert_eq!((first(&["b"]).voice(&turning).root(), follower.voice(&turning).root()), (old.root(), new.root()));
        assert_eq!(follower.voice(&begun).root(), old.root());
    }

    #[test]
    fn a_cluster_without_proxies_is_complete_when_its_controller_is() {
        let told = |census: &Census, complete| {
            let Trust { sequence, trusting, total } = progress(7, census, complete);
            (sequence, trusting, total)
        };
        assert_eq!(told(&Census::default(), false), (7, 0, 1));
        assert_eq!(told(&Census::default(), true), (7, 1, 1));
        let census = Census::of([("x", Standing::Done), ("y", Standing::Done), ("z", Standing::Done)]);
        assert_eq!((told(&census, false), told(&census, true)), ((7, 3, 4), (7, 4, 4)));
        // Who is absent for longer than its leaf can live is waited for no more.
        let gone = Census::of([("x", Standing::Done), ("y", Standing::Absent), ("z", Standing::Absent)]);
        assert_eq!((told(&gone, false), told(&gone, true)), ((7, 1, 4), (7, 4, 4)));
    }

    #[test]
    fn a_rotation_waits_for_every_cluster_by_name_and_says_what_to_do() {
        let waits = |role: &Role, siblings: &[(&str, Sibling)]| {
            let siblings = siblings.iter().map(|(name, sibling)| (cluster(name), sibling.clone())).collect();
            role.obstacle(&siblings, 7).unwrap_or_default()
        };
        assert_eq!(waits(&first(&[]), &[]), "");
        assert_eq!(waits(&first(&["b"]), &[("b", sibling(true, 7))]), "");
        assert_eq!(waits(&first(&["b"]), &[("b", sibling(false, 7))]), "", "it is done, and away");
        let behind = waits(&first(&["b", "c"]), &[("b", sibling(true, 7)), ("c", sibling(true, 6))]);
        assert!(behind.starts_with("cluster c to follow, 1/3"), "{behind}");
        for siblings in [vec![], vec![("b", sibling(false, 6))]] {
            let away = waits(&first(&["b"]), &siblings);
            assert!(away.contains("no session") && away.contains("take it off spec.clusters"), "{away}");
        }
        let stranger = waits(&first(&[]), &[("b", sibling(true, 7))]);
        assert!(stranger.starts_with("cluster b") && stranger.contains("write all clusters there"), "{stranger}");
        assert_eq!(waits(&first(&[]), &[("b", sibling(false, 1))]), "", "who is neither named nor there is gone");
    }
}
