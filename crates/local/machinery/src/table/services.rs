//! Services and their endpoints.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Computed,
    cells::{NONE, age, joined, labels, list, number, or_none, text},
};

/// kubectl shows this many endpoints before it says `+ n more...`.
const SHOWN: usize = 3;

pub(super) const SERVICE: &[Computed] = &[
    ("Type", false, |service, _| text(service, "/spec/type").into()),
    ("Cluster-IP", false, |service, _| or_none(text(service, "/spec/clusterIP"))),
    ("External-IP", false, external),
    ("Port(s)", false, ports),
    ("Age", false, age),
    ("Selector", true, |service, _| labels(service, "/spec/selector")),
];

pub(super) const ENDPOINTS: &[Computed] = &[("Endpoints", false, endpoints), ("Age", false, age)];

pub(super) const ENDPOINT_SLICE: &[Computed] = &[
    ("AddressType", false, |slice, _| text(slice, "/addressType").into()),
    ("Ports", false, |slice, _| unset_if_none(list(slice, "/ports").iter().map(|p| number(p, "/port").to_string()))),
    ("Endpoints", false, |slice, _| {
        unset_if_none(list(slice, "/endpoints").iter().map(|e| text(e, "/addresses/0").to_owned()))
    }),
    ("Age", false, age),
];

fn external(service: &Value, _: Timestamp) -> Value {
    match text(service, "/spec/type") {
        "ExternalName" => or_none(text(service, "/spec/externalName")),
        "LoadBalancer" => {
            let ingress = list(service, "/status/loadBalancer/ingress").iter();
            let addresses: Vec<&str> = ingress.map(|i| text(i, "/ip")).filter(|ip| !ip.is_empty()).collect();
            if addresses.is_empty() { "<pending>".into() } else { joined(addresses) }
        }
        _ => joined(list(service, "/spec/externalIPs").iter().filter_map(Value::as_str)),
    }
}

fn ports(service: &Value, _: Timestamp) -> Value {
    joined(list(service, "/spec/ports").iter().map(|port| {
        let node = match number(port, "/nodePort") {
            0 => String::new(),
            node => format!(":{node}"),
        };
        let protocol = text(port, "/protocol");
        format!("{}{node}/{}", number(port, "/port"), if protocol.is_empty() { "TCP" } else { protocol })
    }))
}

fn endpoints(object: &Value, _: Timestamp) -> Value {
    let addresses = list(object, "/subsets").iter().flat_map(|subset| {
        let ports = list(subset, "/ports");
        list(subset, "/addresses").iter().flat_map(move |address| {
            let ip = text(address, "/ip");
            let with = ports.iter().map(move |port| format!("{ip}:{}", number(port, "/port")));
            with.chain(ports.is_empty().then(|| ip.to_owned()))
        })
    });
    shortened(addresses.collect(), NONE)
}

fn unset_if_none(texts: impl Iterator<Item = String>) -> Value {
    shortened(texts.collect(), "<unset>")
}

fn shortened(all: Vec<String>, nothing: &str) -> Value {
    let more = all.len().saturating_sub(SHOWN);
    let shown = all.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(",");
    match (all.is_empty(), more) {
        (true, _) => nothing.into(),
        (false, 0) => shown.into(),
        (false, more) => format!("{shown} + {more} more...").into(),
    }
}
