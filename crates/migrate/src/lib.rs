//! Coming from another mesh, and going to one: objects of linkerd-smi, Linkerd, OSM, Traefik Mesh and Gateway API as ours, and
//! ours as Gateway API. Pure functions over documents: no cluster, no clock.
//!
//! Two rules hold for all of it. Nothing is dropped in silence: what an object says is in the output or in the report. And nothing
//! is opened wider than it was: where two meshes read a field differently and ours is the wider one, the field is written anew so
//! that it means the same, or the object isn't printed.

mod context;
mod elsewhere;
pub mod export;
mod fields;
mod gateway;
mod input;
mod linkerd;
mod origin;
mod outcome;
mod quantity;
mod smi;

pub use input::{Document, InvalidInput, MAX_BYTES, MAX_DOCUMENTS, read};
pub use origin::{Ambiguous, From, Reading};
pub use outcome::{Extent, Finding, Outcome, list, yaml};

use context::Context;
use fields::Blame;
use serde_json::Value;

/// Translates documents. `from` says how SMI objects are to be read, for meshes have read them differently.
pub fn migrate(documents: &[Document], from: From) -> Result<Outcome, Ambiguous> {
    let reading = origin::resolve(documents, from)?;
    let context = Context::new(documents, reading);
    let mut outcome = Outcome { reading, ..Outcome::default() };
    for document in documents {
        let told = |outcome: &Outcome| (outcome.objects.len(), outcome.findings.len(), outcome.unchanged.len());
        let before = told(&outcome);
        match translate(&context, document, &mut outcome) {
            Ok(objects) => objects.into_iter().for_each(|object| outcome.add(document, object)),
            Err(blame) => outcome.tell(document, Extent::Object, blame),
        }
        if told(&outcome) == before {
            outcome.note(document, "", "it says nothing that would have to be translated", "nothing");
        }
    }
    gateway::siblings(documents, &mut outcome);
    smi::siblings(&mut outcome);
    Ok(outcome)
}

fn translate(context: &Context<'_>, document: &Document, outcome: &mut Outcome) -> Result<Vec<Value>, Blame> {
    elsewhere::annotations(document, outcome);
    match (document.group(), document.kind()) {
        ("split.smi-spec.io", "TrafficSplit") => smi::split::translate(context, document, outcome),
        ("access.smi-spec.io", "TrafficTarget") => smi::target::translate(context, document, outcome),
        ("access.smi-spec.io", "IdentityBinding") => smi::binding::translate(document, outcome),
        // The first release of the Go SDK had the group's name wrong.
        ("specs.smi-spec.io" | "spec.smi-spec.io", "HTTPRouteGroup") => {
            smi::group::translate(context, document, outcome)
        }
        ("specs.smi-spec.io" | "spec.smi-spec.io", "TCPRoute" | "UDPRoute") => smi::ports::translate(document, outcome),
        ("linkerd.io", "ServiceProfile") => linkerd::profile::translate(context, document, outcome),
        ("gateway.networking.k8s.io" | "policy.linkerd.io", "HTTPRoute") => {
            gateway::translate(context, document, outcome)
        }
        _ => elsewhere::judge(document, outcome),
    }
}

#[cfg(test)]
mod tests;
