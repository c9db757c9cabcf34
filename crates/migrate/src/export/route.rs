//! A split as a route of its root Service.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Options, matches};
use crate::{
    context::{Context, Osm, ServicePort},
    fields::Blame,
    input::Document,
    smi::{beside, made_name, service_name},
};

/// The greatest weight that Gateway API takes: `BackendRef.weight` in its apis/v1/shared_types.go.
const MOST_WEIGHT: u64 = 1_000_000;
/// Limits of an HTTPRoute's schema: the `MaxItems` in Gateway API's apis/v1/httproute_types.go.
const MOST_BACKENDS: usize = 16;
const MOST_MATCHES: usize = 64;
/// All matches of a route, by a rule of the same schema. A rule without any is given one, of everything. They never need more than the 16
/// rules that there may be.
const MOST_IN_ALL: usize = 128;
/// What says of a port that it isn't HTTP.
const NOT_HTTP: [&str; 8] = ["tcp", "tls", "https", "mysql", "redis", "mongo", "postgres", "udp"];

/// One route; none where a port can't have one.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) object: Option<Value>,
    pub(super) caveats: Vec<String>,
    pub(super) left: Vec<Blame>,
}

/// A route for each HTTP port of the root. Groups that it has used are added to `used`.
pub(super) fn routes(
    services: &Context<'_>,
    objects: &[Document],
    split: &Document,
    options: Options,
    used: &mut BTreeSet<(Option<String>, String)>,
) -> Result<Vec<Made>, Blame> {
    let root = split.value.pointer("/spec/service").and_then(Value::as_str).unwrap_or_default();
    let (root, _) = service_name(root);
    let namespace = split.namespace();
    let ports = match (services.ports(namespace, root), options.port) {
        (Some(ports), _) => ports,
        (None, Some(port)) => vec![ServicePort { port, target: None, speaks: String::new(), osm: Osm::Other }],
        (None, None) => {
            let why = format!("Gateway API names Services by port, and {root} isn't among the input");
            return Err(Blame::new("spec.service", why, "give the Services too, or --port"));
        }
    };
    let matched = match split.value.pointer("/spec/matches") {
        None => None,
        Some(references) => Some(matches::of(objects, namespace, references, used)?),
    };
    let several = ports.len() > 1;
    let one = |port: &ServicePort| {
        if NOT_HTTP.contains(&port.speaks.as_str()) {
            let why = format!("port {} of {root} speaks {}, not HTTP", port.port, port.speaks);
            let blame = Blame::new("spec.service", why, "write a TCPRoute, if the other mesh serves it");
            return Ok(Made { left: vec![blame], ..Made::default() });
        }
        let name = split.name().unwrap_or_default();
        let name = if several { made_name(&format!("{name}-{}", port.port)) } else { name.to_owned() };
        route(services, split, options, root, port.port, matched.as_ref(), &name)
    };
    ports.iter().map(one).collect()
}

fn route(
    services: &Context<'_>,
    split: &Document,
    options: Options,
    root: &str,
    port: u16,
    matched: Option<&matches::Matched>,
    name: &str,
) -> Result<Made, Blame> {
    let mut caveats = Vec::new();
    let backends = backends(services, split, options, root, port, &mut caveats)?;
    let to_root = json!([{ "group": "", "kind": "Service", "name": root, "port": port, "weight": 1 }]);
    let mut rules = Vec::new();
    match matched {
        None => rules.push(json!({ "backendRefs": backends })),
        Some(matched) => {
            caveats.extend(matched.caveats.iter().cloned());
            if matched.list.len() >= MOST_IN_ALL {
                let why = format!(
                    "{} matches; an HTTPRoute has at most {MOST_IN_ALL}, with that of the last rule",
                    matched.list.len()
                );
                return Err(Blame::new("spec.matches", why, "write fewer"));
            }
            rules.extend(matched.list.chunks(MOST_MATCHES).map(|m| json!({ "matches": m, "backendRefs": backends })));
            rules.push(json!({ "backendRefs": to_root }));
            caveats.push(format!(
                "the last rule leads what nothing matches to {root}: without it those requests would be refused"
            ));
        }
    }
    let parent = json!({ "group": "", "kind": "Service", "name": root, "port": port });
    let spec = json!({ "parentRefs": [parent], "rules": rules });
    let metadata = beside(split, name);
    let object = json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata,
        "spec": spec,
    });
    Ok(Made { object: Some(object), caveats, left: Vec::new() })
}

fn backends(
    services: &Context<'_>,
    split: &Document,
    options: Options,
    root: &str,
    port: u16,
    caveats: &mut Vec<String>,
) -> Result<Vec<Value>, Blame> {
    let mut found: Vec<(&str, u64)> = Vec::new();
    let list = split.value.pointer("/spec/backends").and_then(Value::as_array);
    for backend in list.into_iter().flatten() {
        let service = backend.get("service").and_then(Value::as_str).unwrap_or_default();
        let weight = backend.get("weight").and_then(Value::as_u64).unwrap_or_default();
        match services.ports(split.namespace(), service) {
            // A split leaves such a backend out; Gateway API answers its share with errors.
            Some(ports) if ports.iter().all(|p| p.port != port) => {
                caveats.push(format!("{service} has no port {port}: it is left out, as the split leaves it out"));
                continue;
            }
            None if options.all_services => {
                caveats.push(format!("there is no Service {service}: it is left out, as the split leaves it out"));
                continue;
            }
            None => {
                caveats.push(format!("{service} isn't among the input: that it has port {port} is taken for granted"))
            }
            Some(_) => {}
        }
        found.push((service, weight));
    }
    if found.iter().all(|(_, weight)| *weight == 0) {
        caveats.push(format!(
            "all weights are 0, or no backend is left: a split then leads to {root}, and so does this route"
        ));
        found = vec![(root, 1)];
    }
    if found.len() > MOST_BACKENDS {
        let why = format!("{} backends; a rule of an HTTPRoute has at most {MOST_BACKENDS}", found.len());
        return Err(Blame::new("spec.backends", why, "write fewer"));
    }
    let greatest = found.iter().map(|(_, weight)| *weight).max().unwrap_or_default();
    if greatest > MOST_WEIGHT {
        caveats.push(format!("weights are scaled to at most {MOST_WEIGHT}, and rounded"));
        for (_, weight) in &mut found {
            // None that has a share loses it.
            let scaled = u128::from(*weight) * u128::from(MOST_WEIGHT) / u128::from(greatest);
            *weight = u64::try_from(scaled).unwrap_or(MOST_WEIGHT).max(u64::from(*weight > 0));
        }
    }
    let value = |(name, weight): &(&str, u64)| json!({ "group": "", "kind": "Service", "name": name, "port": port, "weight": weight });
    Ok(found.iter().map(value).collect())
}
