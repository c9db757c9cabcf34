//! The path that asks for a tap.

use super::{Direction, Fault, TapArgs};
use crate::views::api::escape;

/// Where taps are served.
pub(super) const ROOT: &str = "/apis/tap.isthmus.mesh/v1alpha1";

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
