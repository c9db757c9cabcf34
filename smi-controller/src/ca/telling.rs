//! What users are told of a rotation: an annotation that says how far it is, and an Event for each phase.

use isthmus_core::id::ObjectName;
use isthmus_identity::{Census, Phase, RootId, Rotation, Waiting};
use k8s_openapi::{
    api::core::v1::{Event, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
    jiff::Timestamp,
};

use crate::config::NAME;

/// Longest note, in characters: the API allows 1024 bytes.
const MAX_NOTE: usize = 900;

/// What has happened, as an Event of the Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) warning: bool,
}

/// How far a rotation is, in one line.
pub(super) fn progress(rotation: &Rotation, census: &Census, waiting: Option<&Waiting>) -> String {
    let Census { done, total, .. } = census;
    let what = match rotation.phase {
        Phase::Steady { root } => return format!("Steady: root {root}"),
        Phase::Publishing { next, .. } => format!("Publishing root {next}: TrustPropagated {done}/{total}"),
        Phase::Turning { signer, .. } => format!("Turning to root {signer}: LeavesTurned {done}/{total}"),
    };
    match waiting {
        Some(waiting) => format!("{what}; waiting for: {waiting}"),
        None => what,
    }
}

/// What the step from one phase to the next means.
pub(super) fn step(from: Phase, to: Phase, census: &Census) -> Note {
    let Census { done, total, .. } = census;
    let note = |reason, message| Note { reason, message, warning: false };
    match (from, to) {
        (_, Phase::Publishing { next, .. }) => {
            note("RootPublished", format!("root {next} is published; it signs once every proxy holds it"))
        }
        (_, Phase::Turning { signer, .. }) => {
            note("TrustPropagated", format!("{done}/{total} proxies hold root {signer}: it signs from now on"))
        }
        (Phase::Turning { old, .. }, Phase::Steady { .. }) => {
            note("RootRetired", format!("{done}/{total} proxies show leaves of the new root: root {old} is retired"))
        }
        (Phase::Publishing { next, .. }, Phase::Steady { root }) if root != next => {
            note("RotationGivenUp", format!("root {next} is withdrawn; root {root} stays"))
        }
        (_, Phase::Steady { root }) => Note {
            reason: "RootReplaced",
            message: format!("the root before had expired: root {root} is in its place"),
            warning: true,
        },
    }
}

/// The Secret with the wanted root can't be used.
pub(super) fn refused(error: &super::CaError, stays: RootId) -> Note {
    Note { reason: "RootRefused", message: format!("{error}; root {stays} stays"), warning: true }
}

/// The Event of a note about a Secret.
pub(super) fn event(secret: &ObjectName, note: &Note) -> Event {
    let now = Timestamp::now();
    Event {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}.", secret.name)),
            namespace: Some(secret.namespace.to_string()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Secret".to_owned()),
            namespace: Some(secret.namespace.to_string()),
            name: Some(secret.name.to_string()),
            ..ObjectReference::default()
        },
        type_: Some(if note.warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(note.reason.to_owned()),
        message: Some(note.message.chars().take(MAX_NOTE).collect()),
        source: Some(EventSource { component: Some(NAME.to_owned()), host: None }),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        count: Some(1),
        reporting_component: Some(NAME.to_owned()),
        ..Event::default()
    }
}
