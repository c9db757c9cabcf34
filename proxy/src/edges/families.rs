//! The same counts by the names that other meshes have for them, so that what reads those finds this one: Flagger's built-in
//! queries above all. Written for a scrape, from the very counters that all else is written from.

mod istio;
mod linkerd;
mod osm;
mod page;

use std::sync::Arc;

use isthmus_core::telemetry::{Workload, settings::Family};

use self::page::Page;
use super::{Counts, Edge, Key, Protocol, status::Code};

/// Writes these families, seen from `own`; of edges that were let go, what is still part of a sum.
pub(crate) fn render(
    out: &mut String,
    families: &[Family],
    own: &Workload,
    edges: &[Arc<Edge>],
    gone: &[(Key, Counts)],
) {
    for family in families {
        let mut page = match family {
            Family::Istio => Page::new(istio::NAMES),
            Family::Linkerd => Page::new(linkerd::NAMES),
            Family::Osm => Page::new(osm::NAMES),
        };
        let mut add = |key: &Key, counts: &Counts, gone: bool| match family {
            _ if key.protocol == Protocol::Tcp => {}
            Family::Istio => istio::add(&mut page, own, key, counts),
            Family::Linkerd => linkerd::add(&mut page, own, key, counts),
            // Each of its series is one edge, and goes with it.
            Family::Osm if gone => {}
            Family::Osm => osm::add(&mut page, own, key, counts),
        };
        edges.iter().for_each(|edge| add(&edge.key, &edge.read(), false));
        gone.iter().for_each(|(key, counts)| add(key, counts, true));
        page.write(out);
    }
}

/// Requests by the code of their answer, as text. 200 and 500 are there from the edge's first moment: a share of errors is 0 then,
/// and not missing.
fn codes(counts: &Counts) -> impl Iterator<Item = (String, u64)> {
    let always = [(Code::Exact(200), 0), (Code::Exact(500), 0)];
    always.into_iter().chain(counts.by_code()).map(|(code, count)| (text(code), count))
}

/// No answer is 0, as Envoy has it.
fn text(code: Code) -> String {
    match code {
        Code::None => "0".to_owned(),
        Code::Exact(code) => code.to_string(),
        Code::Others(class) => format!("{class}xx"),
    }
}

/// What isn't known has a word too.
fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}

#[cfg(test)]
mod tests;
