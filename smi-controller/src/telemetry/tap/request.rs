//! What is to be tapped, read from path and query.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::rand;
use http::{Method, Uri};
use isthmus_core::{
    id::ObjectName,
    telemetry::tap::{Filter, LONGEST, MAX_PER_SECOND, Peer, Status, Tap},
};

use super::super::{request::decode, status::Failure};
use crate::index::{TapAt, TapTarget};

/// Where the API is.
pub(crate) const GROUP: &str = "tap.isthmus.mesh";
pub(crate) const VERSION: &str = "v1alpha1";
/// How long a tap lasts of which nobody says it.
const LASTS: Duration = Duration::from_mins(10);
/// Longest value of a query, in bytes.
const MAX_VALUE: usize = 1024;

/// What can be tapped, and the kind of owner that it is. Pods and Services own none.
pub(super) const PLURALS: [(&str, &str); 8] = [
    ("daemonsets", "DaemonSet"),
    ("deployments", "Deployment"),
    ("jobs", "Job"),
    ("pods", "Pod"),
    ("replicasets", "ReplicaSet"),
    ("replicationcontrollers", "ReplicationController"),
    ("services", "Service"),
    ("statefulsets", "StatefulSet"),
];

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    Group,
    Resources,
    Tap(Box<TapAt>),
}

pub(super) fn read(method: &Method, uri: &Uri) -> Result<Request, Failure> {
    let path = uri.path().trim_end_matches('/');
    let nothing = || {
        Failure::not_found(format!(
            "nothing is served at {path:?}: taps are at /apis/{GROUP}/{VERSION}/watch/namespaces/<namespace>/<resources>/<name>/tap"
        ))
    };
    let segments: Vec<String> = path.split('/').skip(1).map(decode).collect::<Option<_>>().ok_or_else(nothing)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(Failure::method());
    }
    let (namespace, target) = match &*segments {
        ["apis", GROUP] => return Ok(Request::Group),
        ["apis", GROUP, VERSION] => return Ok(Request::Resources),
        ["apis", GROUP, VERSION, "watch", "namespaces", namespace, "tap"] => (namespace, TapTarget::All),
        ["apis", GROUP, VERSION, "watch", "namespaces", namespace, plural, name, "tap"] => {
            let (_, kind) = PLURALS.iter().find(|(known, _)| known == plural).ok_or_else(nothing)?;
            let name: Arc<str> = (*name).into();
            let target = match *kind {
                "Pod" => TapTarget::Pod(name),
                "Service" => TapTarget::Service(name),
                kind => TapTarget::Owner(kind.into(), name),
            };
            (namespace, target)
        }
        _ => return Err(nothing()),
    };
    if *method != Method::GET {
        return Err(Failure::method());
    }
    let tap = tap(uri.query().unwrap_or_default())?;
    Ok(Request::Tap(Box::new(TapAt { namespace: (*namespace).into(), target, tap })))
}

fn tap(query: &str) -> Result<Tap, Failure> {
    let mut tap = Tap { id: id(), filter: Filter::default(), per_second: MAX_PER_SECOND, lasts: LASTS };
    let mut peer = Peer::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let bad = |what: &str| Failure::bad_request(format!("{key}: {what}"));
        let value = decode(&value.replace('+', " ")).ok_or_else(|| bad("not UTF-8"))?;
        if value.is_empty() || value.len() > MAX_VALUE {
            return Err(bad("must have 1 to 1024 bytes"));
        }
        let number = |most: u64| {
            let number = value.parse().ok().filter(|number| (1..=most).contains(number));
            number.ok_or_else(|| bad(&format!("{value:?} must be a number from 1 to {most}")))
        };
        let filter = &mut tap.filter;
        match key {
            "direction" => {
                filter.inbound = Some(match &*value {
                    "inbound" => true,
                    "outbound" => false,
                    _ => return Err(bad(&format!("{value:?} must be inbound or outbound"))),
                });
            }
            "method" => filter.method = Some(value.into()),
            "path" => filter.path_prefix = Some(value.into()),
            "status" => filter.status = Some(status(&value).ok_or_else(|| bad("must be like 503 or 5xx"))?),
            "service" => {
                let (namespace, name) = value.split_once('/').ok_or_else(|| bad("must be namespace/name"))?;
                filter.service = Some(ObjectName::new(namespace, name));
            }
            "peerMesh" => peer.mesh = value.into(),
            "peerNamespace" => peer.namespace = value.into(),
            "peerKind" => peer.kind = value.into(),
            "peerName" => peer.name = value.into(),
            "peerPod" => peer.pod = value.into(),
            "maxRps" => tap.per_second = u32::try_from(number(MAX_PER_SECOND.into())?).unwrap_or(MAX_PER_SECOND),
            "seconds" => tap.lasts = Duration::from_secs(number(LONGEST.as_secs())?),
            _ => return Err(bad("there is no such parameter")),
        }
    }
    tap.filter.peer = (peer != Peer::default()).then_some(peer);
    Ok(tap)
}

/// `503`, or `5xx`.
fn status(text: &str) -> Option<Status> {
    if let Some(class) = text.strip_suffix("xx") {
        return class.parse().ok().filter(|class| (1..=5).contains(class)).map(Status::Class);
    }
    text.parse().ok().filter(|code| (100..=599).contains(code)).map(Status::Code)
}

/// Drawn, so that nobody else's is met by accident, on whatever replica.
fn id() -> u64 {
    let mut bytes = [0; 8];
    // Without randomness there is no TLS and nobody to ask.
    let _ = rand::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
