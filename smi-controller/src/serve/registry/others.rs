//! The other replicas: what each says of the proxies that are connected to it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

use isthmus_core::id::ObjectName;
use isthmus_identity::RootId;

use super::{Key, Registry};
use crate::{
    config::NAME,
    fault::{Kind, ObjectRef},
    index::Pod,
    serve::count::{Count, Said, Stamp},
};

/// The label by which the controller's own pods are known, as its Deployment gives it.
const LABEL: &str = "app.kubernetes.io/name";

/// How a proxy is with the roots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    /// The version that it has in effect; empty for none.
    pub(crate) held: Arc<str>,
    /// The root that its leaf stands on, as far as it has said.
    pub(crate) leaf: Option<RootId>,
    /// Why it didn't take the roots that it was sent last.
    pub(crate) refusal: Option<String>,
}

/// What a replica says at one moment. `None`: there is no such proxy, or object, any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// Is it everything? Else it is what has changed.
    pub(crate) whole: bool,
    /// Of this mesh's bundle.
    pub(crate) sequence: u64,
    pub(crate) proxies: Vec<(ObjectName, Option<Proxy>)>,
    pub(crate) objects: Vec<(ObjectRef, Option<Count>)>,
}

/// What is known of a replica by its reports.
#[derive(Debug, Default)]
pub(super) struct Told {
    sequence: u64,
    pub(super) proxies: BTreeMap<ObjectName, Proxy>,
    objects: HashMap<ObjectRef, Count>,
}

/// Another replica.
#[derive(Debug)]
struct Other {
    address: IpAddr,
    told: Option<Told>,
    /// Nothing is connected to it any more, for all that can be known.
    given_up: bool,
}

/// A replica that there is, for those who follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replica {
    pub(crate) address: IpAddr,
    pub(crate) heard: bool,
    /// Are proxies sent to it?
    pub(crate) ready: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(in crate::serve) struct Others {
    /// This replica's own pod. `None`: others aren't looked for.
    own: Option<Arc<str>>,
    replicas: BTreeMap<Arc<str>, Other>,
    /// Proxies that more than one replica counts, and how many count them too much.
    twice: BTreeMap<ObjectName, usize>,
    /// Proxies that were connected and aren't, while their pods are there; with the version of the roots that they hold.
    away: BTreeMap<ObjectName, Arc<str>>,
    /// What every peer's status counts has changed.
    pub(super) shifted: bool,
}

impl Others {
    /// What each says of an object. Those that were given up say nothing, and aren't waited for.
    pub(in crate::serve) fn say<'a>(&'a self, object: &'a ObjectRef) -> impl Iterator<Item = Said<'a>> {
        let living = self.replicas.iter().filter(|(_, other)| !other.given_up);
        living.map(|(replica, other)| Said {
            replica,
            heard: other.told.is_some(),
            count: other.told.as_ref().and_then(|told| told.objects.get(object)),
        })
    }

    pub(in crate::serve) fn twice(&self) -> &BTreeMap<ObjectName, usize> {
        &self.twice
    }

    pub(super) fn told(&self) -> impl Iterator<Item = &Told> {
        self.replicas.values().filter_map(|other| other.told.as_ref())
    }

    pub(super) fn forget_away(&mut self, pod: &ObjectName) {
        self.shifted |= self.away.remove(pod).is_some();
    }

    pub(super) fn is_away(&self, pod: &ObjectName) -> bool {
        self.away.contains_key(pod)
    }
}

impl Registry {
    /// This replica's own pod: from now on the others are looked for.
    pub(crate) fn set_replica(&mut self, pod: &str) {
        self.others.own = Some(pod.into());
        self.enlist();
    }

    /// Looks which other replicas there are. A new one is waited for from the moment that its pod has an address.
    pub(super) fn enlist(&mut self) {
        let Some(own) = self.others.own.clone() else { return };
        let is_replica = |pod: &&Pod| {
            *pod.account == *NAME && pod.labels.get(LABEL).is_some_and(|name| name == NAME) && *pod.name.name != *own
        };
        let pods = self.index.pods.in_namespace(&self.index.settings.namespace).filter(is_replica);
        let there: BTreeMap<Arc<str>, IpAddr> =
            pods.filter_map(|pod| Some((pod.name.name.clone(), *pod.addresses.first()?))).collect();
        let gone = self.others.replicas.iter().filter(|(name, other)| there.get(*name) != Some(&other.address));
        for name in gone.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            let other = self.others.replicas.remove(&name);
            self.drop_told(other.and_then(|other| other.told));
        }
        for (name, address) in there {
            self.others.replicas.entry(name).or_insert(Other { address, told: None, given_up: false });
        }
    }

    /// The other replicas that there are.
    pub(crate) fn replicas(&self) -> BTreeMap<Arc<str>, Replica> {
        let service = ObjectName::new(self.index.settings.namespace.clone(), NAME);
        let ready: BTreeSet<IpAddr> = self
            .index
            .slices
            .of_service(&service)
            .flat_map(|slice| &slice.ready)
            .map(|(address, _)| *address)
            .collect();
        let replica = |(name, other): (&Arc<str>, &Other)| {
            let (address, heard) = (other.address, other.told.is_some());
            (name.clone(), Replica { address, heard, ready: ready.contains(&address) })
        };
        self.others.replicas.iter().map(replica).collect()
    }

    /// What another replica reports. One that isn't known (any more) isn't listened to.
    pub(crate) fn hear(&mut self, replica: &str, report: Report) {
        let Some(other) = self.others.replicas.get_mut(replica) else { return };
        let mut left = BTreeMap::new();
        other.given_up = false;
        if report.whole {
            left = other.told.take().map(|told| told.proxies).unwrap_or_default();
        }
        let told = other.told.get_or_insert_default();
        told.sequence = report.sequence;
        for (object, count) in report.objects {
            match count {
                Some(count) => drop(told.objects.insert(object.clone(), count)),
                None => drop(told.objects.remove(&object)),
            }
            self.effects.news.unsettled.insert(object);
        }
        for (pod, proxy) in report.proxies {
            let before = match proxy {
                Some(proxy) => told.proxies.insert(pod.clone(), proxy),
                None => told.proxies.remove(&pod),
            };
            left.entry(pod).or_insert_with(|| before.unwrap_or(Proxy { held: "".into(), leaf: None, refusal: None }));
        }
        for (pod, before) in left {
            self.reseat(&pod, before.held);
        }
    }

    /// A replica is heard no more. What it said may be over, so it is as if it had never said anything.
    pub(crate) fn unheard(&mut self, replica: &str) {
        let told = self.others.replicas.get_mut(replica).and_then(|other| other.told.take());
        self.drop_told(told);
    }

    /// No proxy can be connected to a replica any more: it isn't waited for, until it is heard.
    pub(crate) fn give_up(&mut self, replica: &str) {
        if let Some(other) = self.others.replicas.get_mut(replica).filter(|other| other.told.is_none()) {
            other.given_up = true;
        }
    }

    /// What has to be known of other replicas before anything can be said of all proxies, or `sequence` is in use everywhere.
    pub(crate) fn waits_for_replica(&self, sequence: u64) -> Option<String> {
        let living = self.others.replicas.iter().filter(|(_, other)| !other.given_up);
        let waits = |(name, other): (&Arc<str>, &Other)| match &other.told {
            None => Some(format!("replica {name} to say who is connected to it")),
            Some(told) if told.sequence < sequence => Some(format!("replica {name} to learn of it")),
            Some(_) => None,
        };
        living.filter_map(waits).next()
    }

    fn drop_told(&mut self, told: Option<Told>) {
        let Some(told) = told else { return };
        for (pod, proxy) in told.proxies {
            self.reseat(&pod, proxy.held);
        }
        let counted = told.objects.into_iter().filter(|(_, count)| count.concerned > 0);
        self.effects.news.unsettled.extend(counted.map(|(object, _)| object));
    }

    /// A proxy has come or gone somewhere. `held`: the roots that it held there.
    pub(super) fn reseat(&mut self, pod: &ObjectName, held: Arc<str>) {
        let here = usize::from(self.by_pod.contains_key(pod));
        let there = self.others.told().filter(|told| told.proxies.contains_key(pod)).count();
        let expected = self.is_expected(pod);
        let others = &mut self.others;
        match here + there {
            0 | 1 => drop(others.twice.remove(pod)),
            seats => drop(others.twice.insert(pod.clone(), seats - 1)),
        }
        if here + there > 0 {
            others.forget_away(pod);
        } else if expected {
            others.away.insert(pod.clone(), held);
            others.shifted = true;
        }
    }

    /// What proxies that are away count for. Only of peers: every proxy has their roots, so it is known what an absent one
    /// holds and that it is concerned.
    pub(in crate::serve) fn away(&self, object: &ObjectRef, stamp: &Stamp) -> Option<Count> {
        let counts = object.kind == Kind::MeshPeer && stamp.bundle > 0 && !self.others.away.is_empty();
        let present = counts.then(|| self.version_of_roots())??;
        let behind = || self.others.away.iter().filter(|(_, held)| **held != *present).map(|(pod, _)| pod);
        let late = behind().count();
        // Who has the roots without a peer that is being revoked isn't concerned by it any more.
        let concerned = if stamp.leaving { late } else { self.others.away.len() };
        Some(Count {
            stamp: stamp.clone(),
            concerned,
            programmed: concerned - late,
            behind: behind().next().map(|pod| format!("{pod}, which isn't connected")),
            refused: None,
            cut: 0,
        })
    }

    /// The version of the roots that proxies are to have now, whether or not one is connected here.
    pub(super) fn version_of_roots(&self) -> Option<&Arc<str>> {
        let compile = || Some(super::resource::compile(&self.index, &self.bundles, &Key::Bundles).0?.version);
        self.version_of_roots.get_or_init(compile).as_ref()
    }
}

#[cfg(test)]
mod tests;
