//! SMI objects as Gateway API ones: splits as HTTPRoutes of their root Services (GAMMA). The two differ in what happens to requests
//! that nothing matches, to weights that are all 0 and to backends that aren't there: that is written out.

mod matches;
mod route;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    context::Context,
    fields::Blame,
    input::{Document, title},
    migrate,
    origin::{From, Reading},
    outcome::{Extent, Outcome},
};

/// What is known beside the documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// The port of Services that aren't among the documents: Gateway API can't name a backend without one.
    pub port: Option<u16>,
    /// All Services are among the documents: one that isn't doesn't exist.
    pub all_services: bool,
}

/// HTTPRoutes, and what to know of each; the outcome's own findings say what isn't among them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exported {
    /// The objects and the findings.
    pub outcome: Outcome,
    /// What differs, for each of the objects.
    pub caveats: Vec<Vec<String>>,
}

/// Translates SMI objects; Services among the documents tell ports.
pub fn gateway_api(documents: &[Document], options: Options) -> Exported {
    let smi = documents.iter().filter(|document| document.group().ends_with("smi-spec.io"));
    let smi: Vec<Document> = smi.cloned().collect();
    // Every version is first written as the latest.
    let mut outcome = migrate(&smi, From::Smi).unwrap_or_default();
    let objects = std::mem::take(&mut outcome.objects);
    let others = documents.iter().filter(|document| !document.group().ends_with("smi-spec.io"));
    outcome.unchanged.extend(others.map(Document::title));
    let sources: BTreeMap<String, &str> =
        smi.iter().map(|document| (document.title(), document.source.as_str())).collect();
    let source = |object: &Value| sources.get(&title(object)).map_or("", |source| *source).to_owned();
    let objects: Vec<Document> = objects.into_iter().map(|value| Document { source: source(&value), value }).collect();

    let services = Context::new(documents, Reading::Smi);
    let mut exported = Exported { outcome, caveats: Vec::new() };
    let mut used = BTreeSet::new();
    for document in &objects {
        match document.kind() {
            "TrafficSplit" => match route::routes(&services, &objects, document, options, &mut used) {
                Ok(routes) => routes.into_iter().for_each(|route| exported.add(document, route)),
                Err(blame) => exported.outcome.tell(document, Extent::Object, blame),
            },
            "HTTPRouteGroup" => {}
            kind => exported.outcome.tell(document, Extent::Object, no_counterpart(kind)),
        }
    }
    for document in objects.iter().filter(|document| document.kind() == "HTTPRouteGroup") {
        if !used.contains(&(document.namespace().map(str::to_owned), document.name().unwrap_or_default().to_owned())) {
            exported.outcome.tell(document, Extent::Object, no_counterpart("HTTPRouteGroup"));
        }
    }
    exported
}

impl Exported {
    fn add(&mut self, document: &Document, route: route::Made) {
        for blame in route.left {
            self.outcome.tell(document, Extent::Part, blame);
        }
        let Some(object) = route.object else { return };
        for caveat in &route.caveats {
            let remedy = "look whether that is what you want; it stands in a comment too";
            self.outcome.tell(document, Extent::Note, Blame::new("", caveat.clone(), remedy));
        }
        self.outcome.objects.push(object);
        self.caveats.push(route.caveats);
    }
}

fn no_counterpart(kind: &str) -> Blame {
    let (why, remedy) = match kind {
        "TrafficTarget" => (
            "Gateway API has no stable kind that grants access (GEP-3779 is experimental, and knows ports only); and where no policy is, all is allowed there",
            "write the policy of the mesh that you go to, and its default too, before you go",
        ),
        "IdentityBinding" => ("Gateway API doesn't name workloads by identity", "name them in the other mesh's policy"),
        "TCPRoute" | "UDPRoute" => (
            "here it names ports for TrafficTargets; Gateway API's kind of that name divides traffic, which is something else",
            "name the ports in the other mesh's policy",
        ),
        _ => {
            ("no split refers to it: its conditions are for TrafficTargets", "write them into the other mesh's policy")
        }
    };
    Blame::new("", why, remedy)
}
