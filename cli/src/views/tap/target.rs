//! What is tapped, and the path that asks for it.

use std::str::FromStr;

use super::{Direction, Fault, TapArgs};
use crate::views::{
    api::escape,
    kinds::{self, Resource},
};

/// Where taps are served.
pub(super) const ROOT: &str = "/apis/tap.isthmus.mesh/v1alpha1";

/// Something with pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    resource: &'static Resource,
    name: String,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (resource, name) = text.split_once('/').filter(|(_, name)| !name.is_empty()).ok_or_else(|| {
            format!("{text:?} isn't RESOURCE/NAME, such as deploy/web; for a whole namespace give -n alone")
        })?;
        let resource = kinds::named(resource).ok_or_else(|| format!("there is no resource {resource:?}"))?;
        match resource.kind {
            "Namespace" => Err(format!("for a whole namespace give -n {name} alone")),
            "Node" | "TrafficSplit" => Err(format!("{} can't be tapped: their pods can", resource.plural)),
            _ => Ok(Self { resource, name: name.to_owned() }),
        }
    }
}

/// What to ask the API server for.
pub(super) fn path(namespace: &str, args: &TapArgs) -> Result<String, Fault> {
    let at = args.target.iter().map(|t| format!("/{}/{}", t.resource.plural, escape(&t.name))).collect::<String>();
    let filter = &args.filter;
    let mut query = vec![("seconds", args.lasts.as_secs().to_string())];
    let mut ask = |key, value: Option<&str>| query.extend(value.map(|value| (key, value.to_owned())));
    ask(
        "direction",
        filter.direction.map(|direction| match direction {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        }),
    );
    ask("method", filter.method.as_deref());
    ask("path", filter.path.as_deref());
    ask("status", filter.status.as_deref());
    ask("service", filter.service.as_deref());
    ask("peerNamespace", filter.peer_namespace.as_deref());
    ask("peerMesh", filter.peer_mesh.as_deref());
    match &filter.peer {
        Some(peer) if peer.resource.kind == "Service" => return Err(Fault::PeerIsService(peer.name.clone())),
        Some(peer) if peer.resource.kind == "Pod" => ask("peerPod", Some(&peer.name)),
        Some(peer) => {
            ask("peerKind", Some(peer.resource.kind));
            ask("peerName", Some(&peer.name));
        }
        None => {}
    }
    ask("maxRps", args.max_rps.map(|n| n.to_string()).as_deref());
    let query: Vec<String> = query.iter().map(|(key, value)| format!("{key}={}", escape(value))).collect();
    Ok(format!("{ROOT}/watch/namespaces/{}{at}/tap?{}", escape(namespace), query.join("&")))
}
