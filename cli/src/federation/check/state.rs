//! Steps that need nothing but what the clusters say.

use std::collections::BTreeSet;

use isthmus_k8s::federation::{BundleStatus, CatalogStatus, Freshness, ImportedService, Mesh, MeshPeer};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::report::Fault;

/// Seconds that the clocks of joined meshes may differ.
const MAX_CLOCK_DIFFERENCE: u64 = 300;

type Found = Result<String, Fault>;

/// Is the mesh's own bundle there for others to be told of?
pub(super) fn published(name: &str, own: Option<&Mesh>) -> Found {
    let Some(own) = own else {
        return Err(Fault::new(
            format!("there is no Mesh {name}"),
            "join a mesh with `isthmus federation join`, or apply a Mesh object of that name with the hub's address",
        ));
    };
    let bundle = own.status.as_ref().and_then(|status| status.bundle.as_ref());
    bundle.map(told).ok_or_else(|| {
        Fault::new(
            format!("Mesh {name} has no bundle in its status"),
            "see the controller's log: it writes it when it leads",
        )
    })
}

fn told(bundle: &BundleStatus) -> String {
    format!("sequence {}, {}", bundle.sequence, bundle.digest)
}

/// Does the controller have a session with the hub?
pub(super) fn session(own: &Mesh) -> Found {
    let status = own.status.as_ref().and_then(|status| status.hub.as_ref());
    match status {
        Some(hub) if hub.connected => Ok(String::new()),
        Some(hub) => Err(Fault::new(
            hub.error.clone().unwrap_or_else(|| "there is no session, and nobody has said why".to_owned()),
            "see the controller's log, and the hub's: it says whom it refuses, and why",
        )),
        None => Err(Fault::new(
            "the controller hasn't tried yet",
            "see the controller's log: only the replica that leads connects",
        )),
    }
}

/// Have both sides agreed, and is the peer heard of?
pub(super) fn connected(peer: &MeshPeer) -> Found {
    let status = peer.status.as_ref();
    let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
    condition(conditions, "Accepted")?;
    condition(conditions, "Connected").map(|()| String::new())
}

fn condition(conditions: &[Condition], kind: &str) -> Result<(), Fault> {
    match conditions.iter().find(|condition| condition.type_ == kind) {
        Some(condition) if condition.status == "True" => Ok(()),
        Some(condition) => Err(Fault::new(
            format!("{}: {}", condition.reason, condition.message),
            "both sides must have a MeshPeer for the other, and both controllers a session with the hub",
        )),
        None => Err(Fault::new(format!("no condition {kind} yet"), "see the controller's log")),
    }
}

/// Are the clocks of both controllers near enough to each other?
pub(super) fn clocks(peer: &MeshPeer) -> Found {
    let ahead = peer.status.as_ref().and_then(|status| status.clock_ahead_seconds);
    let Some(ahead) = ahead else { return Ok(String::new()) };
    let (seconds, which) = (ahead.unsigned_abs(), if ahead < 0 { "behind" } else { "ahead" });
    if seconds <= MAX_CLOCK_DIFFERENCE {
        return Ok(format!("{seconds} s {which}"));
    }
    Err(Fault::new(
        format!("the clock of {}'s controller is {seconds} s {which}", peer.name_any()),
        "set the clocks of both clusters' nodes by NTP: from six minutes on meshes refuse each other's fresh certificates",
    ))
}

/// Does every proxy of this side hold the peer's bundle? With the peer's own word, is it the newest?
pub(super) fn trusted(peer: &MeshPeer, published: Option<&BundleStatus>) -> Found {
    let name = peer.name_any();
    let status = peer.status.as_ref();
    let Some(held) = status.and_then(|status| status.bundle.as_ref()) else {
        return Err(Fault::new(
            format!("no bundle of {name} is held"),
            "the first is taken by spec.bundleDigest of the MeshPeer: compare it with the bundle in `isthmus federation status` of the peer",
        ));
    };
    if let Some(newest) = published.filter(|newest| (newest.sequence, &newest.digest) != (held.sequence, &held.digest))
    {
        return Err(Fault::new(
            format!("{name} has {}, and held is {}", told(newest), told(held)),
            "the hub hasn't passed it on, or it wasn't signed by a root of the one before: see the controller's log for `refused`",
        ));
    }
    let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let waiting =
        conditions.iter().find(|condition| condition.type_ == "TrustPropagated" && condition.status != "True");
    if let Some(waiting) = waiting {
        return Err(Fault::new(
            waiting.message.clone(),
            "it isn't ready, or isn't connected to the controller: look at its log, or delete the pod",
        ));
    }
    let propagated = status.and_then(|status| status.trust_propagated.as_deref());
    match propagated.map(|text| (text, text.split_once('/'))) {
        Some((text, Some((done, all)))) if done == all => Ok(format!("sequence {}, {text} proxies", held.sequence)),
        Some((text, _)) => Err(Fault::new(
            format!("{text} proxies hold the bundle of {name}"),
            "a proxy that isn't connected to the controller doesn't get it: see which pods aren't ready",
        )),
        None => Err(Fault::new(
            format!("nobody has counted which proxies hold the bundle of {name}"),
            "see the controller's log",
        )),
    }
}

/// Does the peer hold this side's newest bundle?
pub(super) fn acknowledged(peer: &MeshPeer, own: Option<&BundleStatus>) -> Found {
    let wanted = own.map_or(0, |bundle| bundle.sequence);
    match peer.status.as_ref().and_then(|status| status.acknowledged) {
        Some(sequence) if sequence >= wanted => Ok(format!("sequence {sequence}")),
        Some(sequence) => Err(Fault::new(
            format!("its proxies hold sequence {sequence} of our bundle; {wanted} is published"),
            "wait, or run this check on the peer's side: it says which proxies are behind",
        )),
        None => Err(Fault::new(
            format!("it has acknowledged no bundle of ours; {wanted} is published"),
            "run this check on the peer's side: it says what stands in the way",
        )),
    }
}

/// Is what the peer offers known, and young?
pub(super) fn fresh(peer: &MeshPeer) -> Found {
    let catalogs = peer.status.as_ref().map(|status| status.catalogs.as_slice()).unwrap_or_default();
    let word = |c: &CatalogStatus| {
        format!("{} sequence {} with {} services, {:?}", c.cluster, c.sequence, c.services, c.state)
    };
    let words = catalogs.iter().map(word).collect::<Vec<_>>().join("; ");
    if catalogs.iter().any(|catalog| catalog.state == Freshness::Fresh) {
        return Ok(words);
    }
    let name = peer.name_any();
    Err(if catalogs.is_empty() {
        Fault::new(
            format!("{name} offers nothing to this mesh"),
            format!("have {name} apply an ExportedService that names this mesh in spec.to"),
        )
    } else {
        Fault::new(
            words,
            format!(
                "{name} isn't heard of: run this check there; imports go on until their maxStale, and are withdrawn then"
            ),
        )
    })
}

/// Are the gateways in the peer's catalogs those that its cluster has? Another of its clusters may have more.
pub(super) fn gateways(peer: &MeshPeer, has: &[String]) -> Found {
    let catalogs = peer.status.iter().flat_map(|status| &status.catalogs);
    let held: BTreeSet<&String> = catalogs.flat_map(|catalog| &catalog.gateways).collect();
    let name = peer.name_any();
    if has.is_empty() {
        return Err(Fault::new(
            format!("{name} has no gateway that others could reach"),
            "the Service isthmus-gateway there has no address yet; or write them into spec.gateways of its Mesh",
        ));
    }
    let words = has.join(", ");
    if has.iter().all(|gateway| held.contains(gateway)) {
        return Ok(words);
    }
    let held = held.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    Err(Fault::new(
        format!("{name} has {words}, and its catalogs say {held:?}"),
        "an address has changed, and the new catalog hasn't come: try again, then see the controller's log there",
    ))
}

/// Of a peer whose gateways have names: does this side's DNS know them? `None`: they have none.
pub(super) fn named(peer: &MeshPeer) -> Option<Found> {
    let mut conditions = peer.status.iter().flat_map(|status| &status.conditions);
    let Condition { status, message, .. } = conditions.find(|condition| condition.type_ == "GatewaysResolved")?;
    let remedy = "this cluster's DNS must know the names in status.catalogs of the MeshPeer: look them up in a pod of this cluster";
    Some(if status == "True" { Ok(message.clone()) } else { Err(Fault::new(message.clone(), remedy)) })
}

/// Can an import be called?
pub(super) fn imported(import: &ImportedService) -> Found {
    let status = import.status.clone().unwrap_or_default();
    if let Some(fault) = status.conditions.iter().find(|condition| condition.status != "True") {
        return Err(Fault::new(
            format!("{}: {}", fault.reason, fault.message),
            "the condition's message says what to do; `kubectl describe` shows it with its Events",
        ));
    }
    if status.state == Freshness::Expired {
        return Err(Fault::new(
            "its catalog is older than maxStale, or never came",
            "check the peer; raise spec.maxStale if it may be away for longer",
        ));
    }
    if status.endpoints == 0 {
        return Err(Fault::new(
            "it has no endpoint",
            "the peer's Service has no ready pod in the mesh: look at it there",
        ));
    }
    Ok(format!("{} endpoints, {:?}", status.endpoints, status.state))
}

#[cfg(test)]
mod tests;
