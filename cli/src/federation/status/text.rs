//! The overview for people: a section for each kind of thing, and none for what there isn't.

use isthmus_k8s::federation::{CatalogStatus, Freshness};

use super::overview::{Export, Import, Overview, Peer};
use crate::output::table;

pub(super) fn text(overview: &Overview) -> String {
    let mut sections = vec![own(overview)];
    if overview.peers.is_empty() {
        sections.push(
            "no peers; `isthmus federation invite` makes an invitation, `isthmus federation join` uses one\n".into(),
        );
    } else {
        sections.push(peers(&overview.peers));
    }
    if !overview.exports.is_empty() {
        sections.push(exports(&overview.exports));
    }
    if !overview.imports.is_empty() {
        sections.push(imports(&overview.imports));
    }
    sections.join("\n")
}

fn own(overview: &Overview) -> String {
    let mut rows = vec![("mesh", overview.mesh.clone()), ("trust domain", overview.trust_domain.clone())];
    if overview.cluster != overview.mesh {
        rows.insert(1, ("cluster", overview.cluster.clone()));
    }
    let bundle = overview.bundle.as_ref();
    rows.push((
        "bundle",
        bundle.map_or_else(|| "not published yet".into(), |b| format!("sequence {}, {}", b.sequence, b.digest)),
    ));
    rows.push(("root", overview.rotation.clone().unwrap_or_else(|| "unknown".into())));
    rows.push((
        "hub",
        match &overview.hub {
            None => "none: this mesh is alone".into(),
            Some(hub) if hub.connected => format!("{}, connected", hub.address),
            Some(hub) => {
                format!("{}, not connected: {}", hub.address, hub.error.as_deref().unwrap_or("nobody has said why"))
            }
        },
    ));
    rows.iter().map(|(name, value)| format!("{name:<14}{value}\n")).collect()
}

fn peers(peers: &[Peer]) -> String {
    table(
        peers,
        &[
            ("PEER", |p: &Peer| p.mesh.clone()),
            ("TRUST DOMAIN", |p| p.trust_domain.clone()),
            ("STATE", |p| p.state.clone()),
            ("BUNDLE", |p| p.bundle.as_ref().map_or("-".into(), |b| b.sequence.to_string())),
            ("TRUST PROPAGATED", |p| p.trust_propagated.clone().unwrap_or("-".into())),
            ("TRUSTS US", |p| p.acknowledged.map_or("-".into(), |sequence| sequence.to_string())),
            ("CATALOGS", |p| list(&p.catalogs, catalog)),
            ("LAST CONTACT", |p| p.last_contact.as_ref().map_or("-".into(), |time| time.0.to_string())),
        ],
    )
}

fn catalog(catalog: &CatalogStatus) -> String {
    format!("{} {} ({:?})", catalog.cluster, catalog.sequence, catalog.state)
}

fn exports(exports: &[Export]) -> String {
    table(
        exports,
        &[
            ("EXPORT", |e: &Export| format!("{}/{}", e.namespace, e.name)),
            ("SERVICE", |e| e.service.clone()),
            ("TO", |e| list(&e.to, String::clone)),
            ("STATE", |e| e.state.clone()),
        ],
    )
}

fn imports(imports: &[Import]) -> String {
    table(
        imports,
        &[
            ("IMPORT", |i: &Import| format!("{}/{}", i.namespace, i.name)),
            ("FROM", |i| i.from.clone()),
            ("SERVICE", |i| i.service.clone()),
            ("FRESHNESS", |i| freshness(i.freshness).to_owned()),
            ("ENDPOINTS", |i| i.endpoints.to_string()),
            ("STATE", |i| i.state.clone()),
        ],
    )
}

fn freshness(freshness: Freshness) -> &'static str {
    match freshness {
        Freshness::Fresh => "Fresh",
        Freshness::Stale => "Stale",
        Freshness::Expired => "Expired",
    }
}

fn list<T>(items: &[T], word: fn(&T) -> String) -> String {
    if items.is_empty() { "-".to_owned() } else { items.iter().map(word).collect::<Vec<_>>().join(", ") }
}
