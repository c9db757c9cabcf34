//! Deltas of endpoints: the change that comes most often is sent without what stays.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};

use isthmus_core::{
    destination::{Backend, Destination, Endpoint, ServiceRoute},
    id::ObjectName,
};

use crate::{
    control::v1 as proto,
    decode::{self, InvalidMessage},
    encode,
};

/// What leads from `old` to `new`, if nothing but endpoints differs. `from` is the version of `old`.
pub fn between(old: &Destination, new: &Destination, from: &str) -> Option<proto::EndpointsDelta> {
    let (Destination::Service(old), Destination::Service(new)) = (old, new) else { return None };
    if without_endpoints(old) != without_endpoints(new) {
        return None;
    }
    let old_backends: BTreeMap<_, _> = backends(old).map(|b| ((&b.service, b.port), &b.endpoints)).collect();
    let new_backends: BTreeMap<_, _> = backends(new).map(|b| ((&b.service, b.port), &b.endpoints)).collect();
    let changed = |((service, port), now): (&(&ObjectName, u16), &&Arc<[Endpoint]>)| {
        let before = old_backends.get(&(*service, *port))?;
        let kept: BTreeSet<_> = now.iter().map(Endpoint::key).collect();
        let before: BTreeMap<_, &Endpoint> = before.iter().map(|e| (e.key(), e)).collect();
        let delta = proto::BackendDelta {
            service: Some(encode::object_name(service)),
            port: (*port).into(),
            upsert: now.iter().filter(|e| before.get(&e.key()) != Some(e)).map(encode::endpoint).collect(),
            remove: before.keys().filter(|key| !kept.contains(key)).copied().map(encode::endpoint_key).collect(),
        };
        (!delta.upsert.is_empty() || !delta.remove.is_empty()).then_some(delta)
    };
    Some(proto::EndpointsDelta { from: from.to_owned(), backends: new_backends.iter().filter_map(changed).collect() })
}

/// The destination after the delta. The caller has checked that it holds version `delta.from`.
pub fn apply(held: &Destination, delta: proto::EndpointsDelta) -> Result<Destination, InvalidMessage> {
    let Destination::Service(route) = held else {
        return Err(InvalidMessage::Missing("a service that the delta can be applied to"));
    };
    let mut route = route.clone();
    for change in delta.backends {
        let service = decode::object_name("delta.service", change.service)?;
        let port = decode::port("delta.port", change.port)?;
        let remove = change.remove.into_iter().map(decode::endpoint_key).collect::<Result<BTreeSet<_>, _>>()?;
        let upsert = change.upsert.into_iter().map(decode::endpoint).collect::<Result<Vec<_>, _>>()?;
        let splits = route.split.iter_mut().flat_map(|s| s.backends.iter_mut().map(|(b, _)| b));
        for backend in splits.chain([&mut route.root]).filter(|b| b.service == service && b.port == port) {
            let mut endpoints: BTreeMap<Key, Endpoint> =
                backend.endpoints.iter().map(|e| (owned(e), e.clone())).collect();
            endpoints.retain(|key, _| !remove.contains(key));
            endpoints.extend(upsert.iter().map(|e| (owned(e), e.clone())));
            backend.endpoints = endpoints.into_values().collect();
        }
    }
    Ok(Destination::Service(route))
}

type Key = (SocketAddr, Option<String>);

/// An endpoint's key, on its own.
fn owned(endpoint: &Endpoint) -> Key {
    let (addr, server_name) = endpoint.key();
    (addr, server_name.map(str::to_owned))
}

fn backends(route: &ServiceRoute) -> impl Iterator<Item = &Backend> {
    route.split.iter().flat_map(|s| s.backends.iter().map(|(b, _)| b)).chain([&route.root])
}

fn without_endpoints(route: &ServiceRoute) -> ServiceRoute {
    let bare = |b: &Backend| Backend { endpoints: Arc::new([]), ..b.clone() };
    let mut route = route.clone();
    route.root = bare(&route.root);
    for (backend, _) in route.split.iter_mut().flat_map(|s| s.backends.iter_mut()) {
        *backend = bare(backend);
    }
    route
}

#[cfg(test)]
mod tests;
