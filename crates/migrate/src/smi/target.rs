//! TrafficTarget, v1alpha1 to v1alpha4. It is printed with all of its rules or not at all: rules narrow each other, so that one less
//! may be more access. A source that can't be said is left out, for that is less.

use serde_json::{Value, json};

use super::{beside, made_name, metadata, object, set, split::known_version};
use crate::{
    context::Context,
    fields::{Blame, Fields, body},
    input::Document,
    origin::Reading,
    outcome::Outcome,
};

#[derive(Debug)]
struct Rule {
    at: String,
    kind: String,
    name: String,
    matches: Option<Vec<String>>,
}

impl Rule {
    fn value(&self) -> Value {
        let mut value = json!({ "kind": self.kind, "name": self.name });
        if let Some(matches) = &self.matches {
            set(&mut value, "matches", matches.clone());
        }
        value
    }
}

pub(crate) fn translate(
    context: &Context<'_>,
    document: &Document,
    outcome: &mut Outcome,
) -> Result<Vec<Value>, Blame> {
    known_version(document, &["v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"])?;
    let mut body = body(&document.value)?;
    let first = document.version() == "v1alpha1";
    let mut spec = if first { Fields::of("", body_value(&mut body))? } else { body.map("spec")? };
    let mut rules = Vec::new();
    for rule in spec.maps(if first { "specs" } else { "rules" })? {
        rules.push(read_rule(rule)?);
    }

    let mut destination = spec.map("destination")?;
    let at_port = destination.at("port");
    let port = destination.port("port")?;
    let destination = subject(document, destination)?;
    let own = document.namespace();
    let theirs = destination.get("namespace").and_then(Value::as_str);
    if own.is_some() && theirs.is_some() && own != theirs {
        let why = "a target opens workloads of its own namespace alone: their owner must consent";
        let remedy = "write the target, and the routes that it names, in the destination's namespace";
        return Err(Blame::new("spec.destination.namespace", why, remedy));
    }

    let mut sources = Vec::new();
    for mut source in spec.maps("sources")? {
        let at = source.at("namespace");
        if source.take("port").is_some() {
            outcome.note(document, source.at("port"), "a source's port has never had a meaning", "nothing");
        }
        match subject(document, source) {
            Ok(source) => {
                if context.reading == Reading::TraefikMesh && source.get("namespace").is_none() {
                    let why = "a source without a namespace is one of the target's own here; Traefik Mesh found nobody";
                    outcome.note(document, at, why, "look whether that is meant");
                }
                sources.push(source);
            }
            Err(Blame { field, why, remedy }) => outcome.part(document, field, &why, &remedy),
        }
    }
    spec.end()?;
    body.end()?;

    for rule in &rules {
        usable(context, document, rule)?;
    }
    let mut made = Vec::new();
    if let Some(port) = port {
        if !matches!(document.version(), "v1alpha1" | "v1alpha2") {
            let why = "the port of a destination has no meaning from v1alpha3 on: all ports are open, here as there";
            outcome.part(document, at_port, why, "to close the others, name a TCPRoute among the rules");
        } else if !rules.is_empty() {
            // Without rules the port opens nothing, and must go on opening nothing.
            made.push(narrow(context, document, &mut rules, port, &at_port)?);
        }
    }
    opaque_only(context, document, &rules, port)?;
    if rules.is_empty() || sources.is_empty() {
        let why = "it has no rules, or no sources: here it grants nothing";
        outcome.note(
            document,
            if rules.is_empty() { "spec.rules" } else { "spec.sources" },
            why,
            "write what it shall grant",
        );
    }
    let rules: Vec<Value> = rules.iter().map(Rule::value).collect();
    let spec = json!({ "destination": destination, "rules": rules, "sources": sources });
    made.push(object("access.smi-spec.io", "TrafficTarget", metadata(document, outcome)?, spec));
    Ok(made)
}

/// Of v1alpha1 the fields stand at the top.
fn body_value(body: &mut Fields) -> Value {
    let taken = ["destination", "specs", "sources"].map(|key| (key.to_owned(), body.take(key).unwrap_or_default()));
    Value::Object(taken.into_iter().collect())
}

fn read_rule(mut rule: Fields) -> Result<Rule, Blame> {
    let (at, kind, name) = (rule.at("matches"), rule.needed("kind")?, rule.needed("name")?);
    let matches = rule.texts("matches")?.filter(|matches| !matches.is_empty());
    let at_kind = rule.at("kind");
    rule.end()?;
    if !["HTTPRouteGroup", "TCPRoute", "UDPRoute"].contains(&kind.as_str()) {
        let why = format!("a rule of kind {kind} can't be said, and the others without it may open more");
        return Err(Blame::new(at_kind, why, "write it as HTTPRouteGroup, TCPRoute or UDPRoute"));
    }
    Ok(Rule { at, kind, name, matches })
}

fn subject(document: &Document, mut subject: Fields) -> Result<Value, Blame> {
    let at_kind = subject.at("kind");
    let (kind, name, namespace) = (subject.needed("kind")?, subject.needed("name")?, subject.text("namespace")?);
    let bound = kind == "IdentityBinding" && document.version() == "v1alpha4";
    if kind != "ServiceAccount" && !bound && !(kind == "SPIFFEIdentity" && document.version() == "v1alpha4") {
        let why = format!("{kind} isn't an identity that the specification has defined");
        return Err(Blame::new(at_kind, why, "name ServiceAccounts, or write an IdentityBinding"));
    }
    // Some of the specification's examples say it.
    if let Some(group) = subject.text("group")?.filter(|group| group != "access.smi-spec.io") {
        return Err(Blame::new(subject.at("group"), format!("the group {group} isn't known"), "remove it"));
    }
    subject.end()?;
    let mut value = json!({ "kind": kind, "name": name });
    if let Some(namespace) = namespace.filter(|namespace| !namespace.is_empty()) {
        set(&mut value, "namespace", namespace);
    }
    Ok(value)
}

/// May the rule be written as it stands, without granting more than it has granted where it comes from?
fn usable(context: &Context<'_>, document: &Document, rule: &Rule) -> Result<(), Blame> {
    let group = rule.kind == "HTTPRouteGroup";
    match context.reading {
        Reading::Osm if rule.kind == "UDPRoute" => {
            let why = "OSM ignores a target that names a UDPRoute: it grants nothing there";
            Err(Blame::new(&rule.at, why, "remove the rule, if the others shall be granted"))
        }
        Reading::Osm if group && rule.matches.is_none() => {
            let why = "OSM grants nothing by a rule without matches; here it would grant all of the group";
            Err(Blame::new(&rule.at, why, "name the matches that shall be granted"))
        }
        Reading::TraefikMesh if group => {
            let known = context.group(document.namespace(), &rule.name);
            let unknown = |name: &&String| known.is_some_and(|known| !known.contains(*name));
            match rule.matches.iter().flatten().find(unknown) {
                Some(name) => {
                    let why = format!(
                        "{} has no match {name}: Traefik Mesh then grants nothing by the whole target",
                        rule.name
                    );
                    Err(Blame::new(&rule.at, why, "remove the name, if the others shall be granted"))
                }
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// A port of the destination as a TCPRoute, which stands for those that the rules have named.
fn narrow(
    context: &Context<'_>,
    document: &Document,
    rules: &mut Vec<Rule>,
    port: u16,
    at: &str,
) -> Result<Value, Blame> {
    for rule in rules.iter().filter(|rule| rule.kind != "HTTPRouteGroup") {
        let ports = context.tcp(document.namespace(), &rule.name).unwrap_or_default();
        if rule.kind == "UDPRoute" || !(ports.is_empty() || ports.contains(&port)) {
            let why = format!("{} {} doesn't open the destination's port {port}", rule.kind, rule.name);
            return Err(Blame::new(at, why, "say the port in one place"));
        }
    }
    rules.retain(|rule| rule.kind == "HTTPRouteGroup");
    let name = made_name(&format!("{}-port-{port}", document.name().unwrap_or_default()));
    rules.push(Rule { at: at.to_owned(), kind: "TCPRoute".into(), name: name.clone(), matches: None });
    let spec = json!({ "matches": { "ports": [port] } });
    Ok(object("specs.smi-spec.io", "TCPRoute", beside(document, &name), spec))
}

/// A TCPRoute alone opens HTTP too, here and by the specification, but neither in OSM nor in Traefik Mesh: there it is for ports
/// that speak something else.
fn opaque_only(context: &Context<'_>, document: &Document, rules: &[Rule], port: Option<u16>) -> Result<(), Blame> {
    // UDPRoutes don't narrow TCP.
    let tcp: Vec<&Rule> = rules.iter().filter(|rule| rule.kind == "TCPRoute").collect();
    let narrowed = rules.iter().any(|rule| rule.kind == "HTTPRouteGroup");
    if context.reading == Reading::Smi || tcp.is_empty() || narrowed {
        return Ok(());
    }
    let own = document.namespace();
    let is_opaque = |rule: &Rule| match (port, context.tcp(own, &rule.name)) {
        (Some(port), _) => context.is_opaque(own, port),
        // Without ports it is all of them, of which nobody knows what they speak.
        (None, ports) => ports.is_some_and(|p| !p.is_empty() && p.iter().all(|port| context.is_opaque(own, *port))),
    };
    if tcp.into_iter().all(is_opaque) {
        return Ok(());
    }
    let why = format!(
        "in {} a TCPRoute alone opens no HTTP; here it opens all that its ports speak, and which these are isn't known",
        context.reading.name()
    );
    let remedy = "name the ports in the TCPRoute, and give the Services too (their port's name or appProtocol tells); or add an HTTPRouteGroup to the rules";
    Err(Blame::new("spec.rules", why, remedy))
}
