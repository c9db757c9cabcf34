//! A door to the DNS server's parser, for the fuzz targets alone (docs/fuzzing.md).

use std::sync::OnceLock;

use k8s_openapi::api::core::v1::Service;
use serde_json::json;

use super::answer::{Transport, answer};
use super::zone::Zone;

/// A question, by either transport. An answer fits its transport.
pub fn question(bytes: &[u8]) {
    static ZONE: OnceLock<Zone> = OnceLock::new();
    let zone = ZONE.get_or_init(zone);
    assert!(answer(zone, bytes, Transport::Udp).is_none_or(|answer| answer.len() <= 1232));
    assert!(answer(zone, bytes, Transport::Tcp).is_none_or(|answer| answer.len() <= usize::from(u16::MAX)));
}

fn zone() -> Zone {
    let service = |name: &str, spec: serde_json::Value| -> Option<Service> {
        serde_json::from_value(json!({"metadata": {"name": name, "namespace": "n"}, "spec": spec})).ok()
    };
    let services = [
        service("a", json!({"clusterIP": "10.43.7.7", "ports": [{"name": "p", "port": 80}]})),
        service("b", json!({"type": "ExternalName", "externalName": "a.n.svc.c"})),
        service("l", json!({"type": "ExternalName", "externalName": "l.n.svc.c"})),
    ];
    let Ok(pods) = "10.42.0.0/16".parse() else { unreachable!("a constant") };
    Zone::build("c", pods, services.iter().flatten(), [])
}
