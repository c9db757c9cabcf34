//! IdentityBinding: v1alpha4 alone has it.

use serde_json::Value;

use super::{metadata, object, split::known_version};
use crate::{
    fields::{Blame, body},
    input::Document,
    outcome::Outcome,
};

pub(crate) fn translate(document: &Document, outcome: &mut Outcome) -> Result<Vec<Value>, Blame> {
    known_version(document, &["v1alpha4"])?;
    let mut body = body(&document.value)?;
    let mut spec = body.map("spec")?;
    let mut schemes = spec.map("schemes")?;
    let mut known = serde_json::Map::new();
    for key in ["podLabelSelector", "spiffeIdentities", "serviceAccount"] {
        if let Some(value) = schemes.take(key) {
            known.insert(key.into(), value);
        }
    }
    if known.is_empty() {
        return Err(Blame::new("spec.schemes", "it names nobody", "write one of its schemes"));
    }
    schemes.end()?;
    spec.end()?;
    body.end()?;
    let spec = serde_json::json!({ "schemes": known });
    Ok(vec![object("access.smi-spec.io", "IdentityBinding", metadata(document, outcome)?, spec)])
}
