//! The rules of a route, and whether they can be said as a split.

use super::{backends::Backend, matches::Match};
use crate::{
    fields::{Blame, Fields},
    input::Document,
    outcome::Outcome,
};

/// The Service that a route is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) at: String,
    pub(super) service: String,
    pub(super) port: Option<u16>,
}

/// One rule. No matches is everything.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    at: String,
    matches: Vec<Match>,
    backends: Vec<Backend>,
}

/// What a split can say.
#[derive(Debug)]
pub(super) struct Shape<'a> {
    pub(super) matches: Option<Vec<&'a Match>>,
    pub(super) backends: &'a [Backend],
}

/// Reads what a route is attached to.
pub(super) fn parent(document: &Document, mut parent: Fields) -> Result<Parent, Blame> {
    let (group, kind) = (parent.text("group")?, parent.text("kind")?);
    // Linkerd writes the core group by a name.
    if kind.as_deref() != Some("Service") || !matches!(group.as_deref(), Some("" | "core")) {
        let kind = kind.unwrap_or_else(|| "Gateway".into());
        let why =
            format!("it is attached to a {kind}; routes of Services are read, whose group is \"\" and kind is Service");
        return Err(Blame::new(
            parent.at("kind"),
            why,
            "an ingress is not a part of this mesh: let yours be its client",
        ));
    }
    let at = parent.at("port");
    let (service, namespace, port) = (parent.needed("name")?, parent.text("namespace")?, parent.port("port")?);
    if namespace.is_some() && document.namespace().is_some() && namespace.as_deref() != document.namespace() {
        let why =
            "a route in another namespace than its Service's is for that namespace's clients alone; a split is for all";
        let remedy = "write the route in the Service's namespace, if it is meant for all";
        return Err(Blame::new(parent.at("namespace"), why, remedy));
    }
    if parent.take("sectionName").is_some() {
        let why = "a split holds for every port of its Service";
        return Err(Blame::new(parent.at("sectionName"), why, "give the Service one port, and leave sectionName out"));
    }
    parent.end()?;
    Ok(Parent { at, service, port })
}

/// Reads a rule.
pub(super) fn rule(document: &Document, outcome: &mut Outcome, mut rule: Fields) -> Result<Rule, Blame> {
    let at = rule.at("backendRefs");
    rule.take("name");
    let mut matches = rule.maps("matches")?.into_iter().map(Match::read).collect::<Result<Vec<_>, _>>()?;
    // One match of everything makes the others idle.
    if matches.iter().any(Match::is_everything) {
        matches.clear();
    }
    for (key, why, remedy) in [
        ("timeouts", "the mesh has no timeout by route", "set it in the client"),
        ("retry", "only what no application has seen is sent again", "let the client retry"),
        (
            "sessionPersistence",
            "requests of a session may reach any endpoint",
            "keep the session's state outside of the pods",
        ),
    ] {
        if rule.take(key).is_some() {
            outcome.part(document, rule.at(key), why, remedy);
        }
    }
    filters(document, outcome, &mut rule)?;
    let mut backends = Vec::new();
    for mut reference in rule.maps("backendRefs")? {
        filters(document, outcome, &mut reference)?;
        backends.push(Backend::read(document, reference)?);
    }
    rule.end()?;
    Ok(Rule { at, matches, backends })
}

/// Filters that don't say where a request goes are left out; with the others the split would be another one.
fn filters(document: &Document, outcome: &mut Outcome, fields: &mut Fields) -> Result<(), Blame> {
    for mut filter in fields.maps("filters")? {
        let (at, kind) = (filter.at("type"), filter.needed("type")?);
        let remedy = "let the application do it";
        match kind.as_str() {
            "RequestHeaderModifier" | "ResponseHeaderModifier" => {
                outcome.part(document, at, "the mesh doesn't change header fields", remedy);
            }
            "RequestMirror" => outcome.part(document, at, "the mesh doesn't mirror requests", remedy),
            _ => return Err(Blame::new(at, format!("the mesh has no {kind}"), remedy)),
        }
    }
    Ok(())
}

/// Rules with the same backends are one, for their matches are alternatives.
pub(super) fn shape<'a>(rules: &'a [Rule], parent: &Parent) -> Result<Shape<'a>, Blame> {
    let Some(first) = rules.first() else {
        return Err(Blame::new("spec.rules", "it has no rules", "write one"));
    };
    if let Some(empty) = rules.iter().find(|rule| rule.backends.is_empty()) {
        let why = "without backends its requests are answered by an error; a split has no such";
        return Err(Blame::new(&empty.at, why, "refuse them by granting nothing for them"));
    }
    // An error there, the root's own endpoints here.
    if let Some(closed) = rules.iter().find(|rule| rule.backends.iter().all(|backend| backend.weight == 0)) {
        let why = "all weights are 0: requests get an error there, and the root's own endpoints by a split";
        return Err(Blame::new(&closed.at, why, "refuse them by granting nothing for them"));
    }
    let everything = rules.iter().find(|rule| rule.matches.is_empty());
    if rules.iter().all(|rule| rule.backends == first.backends) && everything.is_some() {
        return Ok(Shape { matches: None, backends: &first.backends });
    }
    let Some(everything) = everything else {
        let why = "requests that no rule matches get an error there; by a split they would reach the root Service";
        let remedy = "add a last rule for all requests that leads to the root Service, if they may reach it; else write TrafficTargets with these matches";
        return Err(Blame::new("spec.rules", why, remedy));
    };
    let matched: Vec<&Rule> = rules.iter().filter(|rule| !rule.matches.is_empty()).collect();
    let root = |backend: &Backend| backend.weight == 0 || backend.service == parent.service;
    let Some(one) = matched.first().filter(|one| matched.iter().all(|rule| rule.backends == one.backends)) else {
        let why = "its rules have different backends; a split has one set of them";
        return Err(Blame::new("spec.rules", why, "a Service of its own for each set of backends, with a split each"));
    };
    if !everything.backends.iter().all(root) {
        let why =
            format!("what no other rule matches goes elsewhere than to {}; a split can't say that", parent.service);
        return Err(Blame::new(&everything.at, why, "let that rule lead to the Service itself"));
    }
    Ok(Shape { matches: Some(matched.iter().flat_map(|rule| &rule.matches).collect()), backends: &one.backends })
}
