//! Where a rule's requests go.

use serde_json::{Value, json};

use super::route::Parent;
use crate::{
    context::Context,
    fields::{Blame, Fields},
    input::Document,
    outcome::Outcome,
};

/// One share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backend {
    at: String,
    pub(super) service: String,
    pub(super) port: Option<u16>,
    pub(super) weight: u32,
}

impl Backend {
    pub(super) fn read(document: &Document, mut reference: Fields) -> Result<Self, Blame> {
        let (group, kind) = (reference.text("group")?, reference.text("kind")?);
        if !matches!(group.as_deref(), None | Some("" | "core")) || !matches!(kind.as_deref(), None | Some("Service")) {
            let why = format!("a split's backends are Services, not {}", kind.unwrap_or_default());
            return Err(Blame::new(reference.at("kind"), why, "put a Service before it"));
        }
        let namespace = reference.text("namespace")?;
        if namespace.is_some() && namespace.as_deref() != document.namespace() {
            let why = "a split's backends are of its own namespace";
            let remedy = "move it; or export and import the Service: see docs/federation.md";
            return Err(Blame::new(reference.at("namespace"), why, remedy));
        }
        let at = reference.at("port");
        let (service, port) = (reference.needed("name")?, reference.port("port")?);
        let weight = match reference.take("weight") {
            None => 1,
            Some(weight) => {
                let number = weight.as_u64().and_then(|number| u32::try_from(number).ok());
                number.ok_or_else(|| {
                    Blame::new(reference.at("weight"), "a weight is a whole number from 0", "write one")
                })?
            }
        };
        reference.end()?;
        Ok(Self { at, service, port, weight })
    }
}

/// As a split has them.
pub(super) fn values(backends: &[Backend]) -> Vec<Value> {
    backends.iter().map(|backend| json!({ "service": backend.service, "weight": backend.weight })).collect()
}

/// A split keeps the port that was called, and holds for all of them. That is the same where the Service has one port, and the
/// backends are called by it.
pub(super) fn check(
    context: &Context<'_>,
    document: &Document,
    outcome: &mut Outcome,
    parent: &Parent,
    backends: &[Backend],
) -> Result<(), Blame> {
    let known = context.ports(document.namespace(), &parent.service);
    if let Some(ports) = known.as_ref().filter(|ports| ports.len() != 1) {
        let why = format!("a split holds for every port of its Service, and {} has {}", parent.service, ports.len());
        return Err(Blame::new(&parent.at, why, "give the route's port a Service of its own"));
    }
    let port = known.iter().flatten().map(|port| port.port).next().or(parent.port);
    if let Some(named) = parent.port.filter(|named| port != Some(*named)) {
        return Err(Blame::new(&parent.at, format!("{} has no port {named}", parent.service), "correct it"));
    }
    let first = port.or_else(|| backends.iter().find_map(|backend| backend.port));
    for backend in backends {
        if let Some(other) = backend.port.filter(|other| Some(*other) != first) {
            let root = first.map_or_else(|| "another".to_owned(), |first| first.to_string());
            let why = format!("a split keeps the port that was called, {root}; it can't lead to {other}");
            return Err(Blame::new(&backend.at, why, "give the backend that port, with its own as targetPort"));
        }
    }
    if known.is_none() {
        let why = match first {
            Some(port) => {
                format!("the split holds for every port of {}; the same if {port} is its only one", parent.service)
            }
            None => format!("the split holds for every port of {}", parent.service),
        };
        outcome.part(document, &parent.at, &why, "give the Service too, and it is looked up");
    }
    Ok(())
}
