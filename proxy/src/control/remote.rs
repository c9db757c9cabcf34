//! The endpoints of other meshes that are in use, for metrics.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write,
    net::SocketAddr,
};

use isthmus_core::{
    destination::{Destination, Endpoint},
    federation::MeshName,
};

use crate::edges::Escaped;

/// How many endpoints of each mesh there are, the fresh and the stale ones. One that several destinations have counts once.
pub(super) fn count<'a>(destinations: impl Iterator<Item = &'a Destination>) -> BTreeMap<MeshName, [usize; 2]> {
    let mut counts: BTreeMap<MeshName, [usize; 2]> = BTreeMap::new();
    let mut seen: HashSet<(SocketAddr, &str)> = HashSet::new();
    for endpoint in destinations.flat_map(endpoints) {
        let Some(remote) = &endpoint.remote else { continue };
        if seen.insert((endpoint.addr, &remote.server_name)) {
            let [fresh, stale] = counts.entry(remote.mesh.clone()).or_default();
            *(if remote.stale { stale } else { fresh }) += 1;
        }
    }
    counts
}

fn endpoints(destination: &Destination) -> Box<dyn Iterator<Item = &Endpoint> + '_> {
    match destination {
        Destination::Service(route) => {
            let split = route.split.iter().flat_map(|split| &split.backends).map(|(backend, _)| backend);
            Box::new(std::iter::once(&route.root).chain(split).flat_map(|backend| backend.endpoints.iter()))
        }
        Destination::Workload(endpoint) => Box::new(std::iter::once(endpoint)),
        Destination::Unknown => Box::new(std::iter::empty()),
    }
}

/// Writes them as Prometheus reads them.
pub(crate) fn render(out: &mut String, counts: &BTreeMap<MeshName, [usize; 2]>) {
    const NAME: &str = "isthmus_remote_endpoints";
    if counts.is_empty() {
        return;
    }
    // A String takes whatever is written.
    let _ = writeln!(out, "# HELP {NAME} Endpoints of other meshes that are known.\n# TYPE {NAME} gauge");
    for (mesh, [fresh, stale]) in counts {
        for (state, count) in [("fresh", fresh), ("stale", stale)] {
            let _ = writeln!(out, "{NAME}{{mesh=\"{}\",state=\"{state}\"}} {count}", Escaped(mesh.as_str()));
        }
    }
}

#[cfg(test)]
mod tests {
    use isthmus_core::{
        destination::{Backend, ProtocolHint, Remote, ServiceRoute},
        id::ObjectName,
    };

    use super::*;

    #[test]
    fn an_endpoint_counts_once_by_its_mesh_and_how_fresh_it_is() {
        let endpoint = |name: &str, stale| Endpoint {
            remote: Some(Remote { server_name: name.into(), mesh: "west".parse().unwrap(), stale }),
            ..Endpoint::local("10.0.0.1:15443".parse().unwrap(), None, "")
        };
        let local = Endpoint::local("10.0.0.2:80".parse().unwrap(), None, "shop/web-0");
        let endpoints = [endpoint("a", false), endpoint("b", false), endpoint("c", true), local];
        let root = Backend { service: ObjectName::new("shop", "web"), port: 80, endpoints: endpoints.into() };
        let service = Destination::Service(ServiceRoute { root, protocol: ProtocolHint::Detect, split: None });
        let counts = count([&service, &service, &Destination::Unknown].into_iter());
        let mut out = String::new();
        render(&mut out, &counts);
        let series: Vec<&str> = out.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            series,
            [
                "isthmus_remote_endpoints{mesh=\"west\",state=\"fresh\"} 2",
                "isthmus_remote_endpoints{mesh=\"west\",state=\"stale\"} 1"
            ]
        );
    }
}
