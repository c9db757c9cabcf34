//! EndpointSlices: which pods stand behind a Service's ports.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use isthmus_core::id::ObjectName;
use k8s_openapi::api::discovery::v1 as k8s;
use kube::ResourceExt;

use super::{Fact, Facts, table::name_of};

const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// A TCP port of a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlicePort {
    pub(crate) name: Arc<str>,
    /// Of the container.
    pub(crate) port: u16,
    pub(crate) app_protocol: Option<Arc<str>>,
}

/// A slice, as far as the mesh cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) service: ObjectName,
    pub(crate) ports: Vec<SlicePort>,
    /// Ready addresses, with the pod that has each.
    pub(crate) ready: BTreeSet<(IpAddr, Option<ObjectName>)>,
    /// The same of those that are on their way out and still serve.
    pub(crate) leaving: BTreeSet<(IpAddr, Option<ObjectName>)>,
    /// Every pod of it, ready or not.
    pub(crate) pods: BTreeSet<ObjectName>,
}

/// All slices.
#[derive(Debug, Default)]
pub(crate) struct EndpointSlices {
    by_name: BTreeMap<ObjectName, Slice>,
    by_service: BTreeMap<ObjectName, BTreeSet<ObjectName>>,
    by_pod: BTreeMap<ObjectName, BTreeSet<ObjectName>>,
}

impl EndpointSlices {
    pub(crate) fn of_service(&self, service: &ObjectName) -> impl Iterator<Item = &Slice> {
        self.by_service.get(service).into_iter().flatten().filter_map(|name| self.by_name.get(name))
    }

    pub(crate) fn with_pod(&self, pod: &ObjectName) -> impl Iterator<Item = &Slice> {
        self.by_pod.get(pod).into_iter().flatten().filter_map(|name| self.by_name.get(name))
    }

    pub(crate) fn apply(&mut self, slice: &k8s::EndpointSlice, facts: &mut Facts) {
        let name = name_of(slice);
        let Some(slice) = read(slice) else { return self.delete(&name, facts) };
        if self.by_name.get(&name) == Some(&slice) {
            return;
        }
        self.delete(&name, facts);
        facts.insert(Fact::Slices(slice.service.clone()));
        self.by_service.entry(slice.service.clone()).or_default().insert(name.clone());
        for pod in &slice.pods {
            facts.insert(Fact::SlicesWith(pod.clone()));
            self.by_pod.entry(pod.clone()).or_default().insert(name.clone());
        }
        self.by_name.insert(name, slice);
    }

    pub(crate) fn delete(&mut self, name: &ObjectName, facts: &mut Facts) {
        let Some(old) = self.by_name.remove(name) else { return };
        forget(&mut self.by_service, &old.service, name);
        for pod in &old.pods {
            facts.insert(Fact::SlicesWith(pod.clone()));
            forget(&mut self.by_pod, pod, name);
        }
        facts.insert(Fact::Slices(old.service));
    }
}

fn forget(map: &mut BTreeMap<ObjectName, BTreeSet<ObjectName>>, key: &ObjectName, slice: &ObjectName) {
    if let Some(slices) = map.get_mut(key) {
        slices.remove(slice);
        if slices.is_empty() {
            map.remove(key);
        }
    }
}

/// `None`: it belongs to no Service, or holds names instead of addresses.
fn read(slice: &k8s::EndpointSlice) -> Option<Slice> {
    let namespace: Arc<str> = slice.namespace()?.into();
    let service = slice.labels().get(SERVICE_LABEL)?;
    if slice.address_type == "FQDN" {
        return None;
    }
    let port = |p: &k8s::EndpointPort| {
        let tcp = p.protocol.as_deref().is_none_or(|protocol| protocol == "TCP");
        Some(SlicePort {
            name: p.name.as_deref().unwrap_or_default().into(),
            port: u16::try_from(p.port?).ok().filter(|port| tcp && *port != 0)?,
            app_protocol: p.app_protocol.as_deref().map(Into::into),
        })
    };
    let mut read = Slice {
        service: ObjectName::new(namespace.clone(), service.as_str()),
        ports: slice.ports.iter().flatten().filter_map(port).collect(),
        ready: BTreeSet::new(),
        leaving: BTreeSet::new(),
        pods: BTreeSet::new(),
    };
    for endpoint in &slice.endpoints {
        let pod = endpoint.target_ref.as_ref().filter(|r| r.kind.as_deref().is_none_or(|kind| kind == "Pod"));
        let pod =
            pod.and_then(|r| Some(ObjectName::new(r.namespace.as_deref().unwrap_or(&namespace), r.name.as_deref()?)));
        read.pods.extend(pod.clone());
        let conditions = endpoint.conditions.as_ref();
        // Absent means ready, says the API, and serving means what ready means.
        let ready = conditions.and_then(|c| c.ready).unwrap_or(true);
        let serving = conditions.and_then(|c| c.serving).unwrap_or(ready);
        let terminating = conditions.and_then(|c| c.terminating).unwrap_or(false);
        let addresses = endpoint.addresses.iter().filter_map(|a| a.parse().ok()).map(|address| (address, pod.clone()));
        if ready {
            read.ready.extend(addresses);
        } else if serving && terminating {
            read.leaving.extend(addresses);
        }
    }
    Some(read)
}
