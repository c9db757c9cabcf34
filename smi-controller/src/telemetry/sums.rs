//! From what was seen to what is asked for. Pure: both sources are summed up by it, so that they can't differ in how.

use std::{collections::BTreeMap, sync::Arc};

use isthmus_core::id::ObjectName;

use super::{
    kind::Kind,
    model::{Direction, End, Observation, Totals},
    places::{Peer, Places},
    request::{Ask, Side},
    source::{Keep, Of, Query},
};

/// Which way an edge goes, seen from the resource that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    From,
    To,
}

/// Traffic between the resource and one other, as one side has measured it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Edge {
    pub(crate) way: Way,
    pub(crate) side: Side,
    pub(crate) peer: Peer,
    /// Of a split, the backend that it went to.
    pub(crate) backend: Option<ObjectName>,
    pub(crate) totals: Totals,
}

/// The question for one way, and the side that can tell.
fn question(ask: &Ask, way: Way, side: Side) -> Query {
    let direction = match side {
        Side::Server => Direction::Inbound,
        Side::Client => Direction::Outbound,
    };
    // Is the resource at the end that counts?
    let counts = matches!((way, side), (Way::From, Side::Server) | (Way::To, Side::Client));
    let of = match ask.kind {
        Kind::TrafficSplit => Of::Split,
        Kind::Service if way == Way::From => Of::Service,
        _ if counts => Of::Own,
        _ => Of::Peer,
    };
    let namespace = match ask.kind {
        Kind::Namespace => ask.name.as_ref().or(ask.only.as_ref()),
        _ => ask.namespace.as_ref(),
    };
    let keep = match (ask.kind, ask.edges) {
        (Kind::TrafficSplit, edges) => Keep { split: true, own: edges, ..Keep::default() },
        // The mesh of a Service that is called is its peer's.
        (Kind::Service, edges) => Keep { service: true, own: edges, peer: edges || side == Side::Client, split: false },
        (_, true) => Keep { own: true, peer: true, ..Keep::default() },
        (_, false) => Keep { own: counts, peer: !counts, ..Keep::default() },
    };
    let within = namespace.map(|namespace| (of, namespace.as_str().into()));
    Query { window: ask.window, direction, within, keep }
}

/// How many of the objects that are asked for are Services that splits are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Roots {
    None,
    Some,
    All,
}

/// At which end it is measured what came to an object, or left it. What is sent to a split's root arrives as its backends': nobody but
/// clients knows that it was for the root.
pub(crate) fn side(ask: &Ask, way: Way, is_root: bool) -> Side {
    let usual = match (ask.kind, way) {
        (Kind::TrafficSplit, _) | (_, Way::To) => Side::Client,
        (Kind::Service, Way::From) if is_root => Side::Client,
        (_, Way::From) => Side::Server,
    };
    ask.side.unwrap_or(usual)
}

/// What to ask for, way by way.
pub(crate) fn questions(ask: &Ask, roots: Roots) -> Vec<(Way, Side, Query)> {
    let ways: &[Way] = if ask.edges && ask.kind != Kind::TrafficSplit { &[Way::From, Way::To] } else { &[Way::From] };
    let kinds: &[bool] = match roots {
        Roots::None => &[false],
        Roots::Some => &[false, true],
        Roots::All => &[true],
    };
    let mut asked = Vec::new();
    for way in ways {
        let mut sides: Vec<Side> = kinds.iter().map(|is_root| side(ask, *way, *is_root)).collect();
        sides.dedup();
        asked.extend(sides.into_iter().map(|side| (*way, side, question(ask, *way, side))));
    }
    asked
}

/// The objects of the kind that asked for that this traffic came to (`From`), or left (`To`).
fn subjects(places: &Places, kind: Kind, way: Way, side: Side, seen: &Observation) -> Vec<ObjectName> {
    let (client, server) = ends(side, seen);
    let end = if way == Way::From { server } else { client };
    match kind {
        _ if end.mesh.is_some() => Vec::new(),
        Kind::TrafficSplit => seen.split.iter().cloned().collect(),
        Kind::Service if way == Way::From => seen.service.iter().cloned().collect(),
        _ => places.of(end),
    }
}

fn ends(side: Side, seen: &Observation) -> (&End, &End) {
    match side {
        Side::Server => (&seen.peer, &seen.own),
        Side::Client => (&seen.own, &seen.peer),
    }
}

/// Everything that came to each object.
pub(crate) fn totals(places: &Places, kind: Kind, side: Side, seen: &[Observation]) -> BTreeMap<ObjectName, Totals> {
    let mut sums: BTreeMap<ObjectName, Totals> = BTreeMap::new();
    for seen in seen {
        for object in subjects(places, kind, Way::From, side, seen) {
            sums.entry(object).or_default().merge(&seen.totals);
        }
    }
    sums
}

/// What a split sent to each of its backends.
pub(crate) fn shares(seen: &[Observation]) -> BTreeMap<(ObjectName, ObjectName), Totals> {
    let mut sums: BTreeMap<_, Totals> = BTreeMap::new();
    for seen in seen {
        if let (Some(split), Some(backend)) = (&seen.split, &seen.backend) {
            sums.entry((split.clone(), backend.clone())).or_default().merge(&seen.totals);
        }
    }
    sums
}

/// The edges of one object.
pub(crate) fn edges(
    places: &Places,
    ask: &Ask,
    object: &ObjectName,
    way: Way,
    side: Side,
    seen: &[Observation],
) -> Vec<Edge> {
    let mut sums: BTreeMap<(Peer, Option<ObjectName>), Totals> = BTreeMap::new();
    for seen in seen {
        if !subjects(places, ask.kind, way, side, seen).contains(object) {
            continue;
        }
        let (client, server) = ends(side, seen);
        let backend = seen.backend.clone().filter(|_| ask.kind == Kind::TrafficSplit);
        let peers = match (ask.kind, way) {
            // A caller of a Service calls it by name.
            (Kind::Service, Way::To) => vec![called(seen, server.mesh.clone())],
            (_, Way::To) => places.peers(server),
            (_, Way::From) => places.peers(client),
        };
        for peer in peers {
            sums.entry((peer, backend.clone())).or_default().merge(&seen.totals);
        }
    }
    sums.into_iter().map(|((peer, backend), totals)| Edge { way, side, peer, backend, totals }).collect()
}

fn called(seen: &Observation, mesh: Option<Arc<str>>) -> Peer {
    match &seen.service {
        Some(service) => Peer {
            mesh,
            kind: Kind::Service.as_str().into(),
            namespace: service.namespace.clone(),
            name: service.name.clone(),
        },
        None => Peer { mesh, ..Peer::default() },
    }
}

#[cfg(test)]
mod tests;
