//! TCPRoute and UDPRoute.

use serde_json::{Map, Value, json};

use super::{metadata, object, split::known_version};
use crate::{
    fields::{Blame, Fields, body},
    input::Document,
    outcome::Outcome,
};

pub(crate) fn translate(document: &Document, outcome: &mut Outcome) -> Result<Vec<Value>, Blame> {
    let udp = document.kind() == "UDPRoute";
    known_version(document, if udp { &["v1alpha4"] } else { &["v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"] })?;
    let mut body = body(&document.value)?;
    let mut spec = body.map("spec")?;
    let mut translated = Map::new();
    // The versions before it have no ports: all of them.
    if document.version() == "v1alpha4" {
        let mut matches = spec.map("matches")?;
        translated = kept(&mut matches)?;
        matches.end()?;
    }
    spec.end()?;
    body.end()?;
    if udp {
        outcome.part(
            document,
            "spec",
            "UDP isn't guarded by this mesh yet: the object is kept, and has no effect",
            "guard UDP by a NetworkPolicy meanwhile",
        );
    }
    let spec = json!({ "matches": translated });
    Ok(vec![object("specs.smi-spec.io", document.kind(), metadata(document, outcome)?, spec)])
}

fn kept(matches: &mut Fields) -> Result<Map<String, Value>, Blame> {
    let mut kept = Map::new();
    if let Some(name) = matches.text("name")? {
        kept.insert("name".into(), name.into());
    }
    let at = matches.at("ports");
    let list = matches.list("ports")?;
    let valid = |port: &Value| port.as_u64().is_some_and(|port| (1..=65535).contains(&port));
    // Without the wrong one the list might be empty, which is all ports.
    if let Some(wrong) = list.iter().find(|port| !valid(port)) {
        return Err(Blame::new(at, format!("{wrong} is no port"), "ports are whole numbers from 1 to 65535"));
    }
    kept.insert("ports".into(), list.into());
    Ok(kept)
}
