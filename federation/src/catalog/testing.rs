//! Catalogs for tests.

use std::{collections::BTreeMap, sync::Arc};

use isthmus_core::id::ObjectName;

use super::{Endpoint, Exports, Port, Service};

pub(crate) fn name(name: &str) -> ObjectName {
    ObjectName::new("shop", name)
}

/// Ready at every port.
pub(crate) fn endpoint(account: &str, ports: &[u16]) -> Endpoint {
    Endpoint {
        spiffe_id: format!("spiffe://west.local/ns/shop/sa/{account}").parse().unwrap(),
        ready: ports.iter().copied().collect(),
        flat: BTreeMap::new(),
    }
}

/// A service at ports (number, name), with endpoints by token.
pub(crate) fn service(created_at: i64, ports: &[(u16, &str)], tokens: &[&str]) -> Arc<Service> {
    let numbers: Vec<_> = ports.iter().map(|(number, _)| *number).collect();
    let port =
        |(number, name): &(u16, &str)| (*number, Port { name: (*name).to_owned(), app_protocol: "http".to_owned() });
    Arc::new(Service {
        created_at,
        ports: ports.iter().map(port).collect(),
        endpoints: tokens.iter().map(|token| (token.parse().unwrap(), endpoint("web", &numbers))).collect(),
    })
}

pub(crate) fn exports(services: &[(&str, Arc<Service>)]) -> Exports {
    Exports {
        services: services.iter().map(|(of, service)| (name(of), Arc::clone(service))).collect(),
        gateways: ["10.1.0.1:15443", "west.example.org:15443"].map(|text| text.parse().unwrap()).into(),
    }
}
