//! Events: each fault is raised once, when it appears.

use std::collections::BTreeMap;

use isthmus_core::broken;
use k8s_openapi::{
    api::core::v1::{Event, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
    jiff::{SignedDuration, Timestamp},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};

use super::digest::digest;
use crate::fault::{Effect, Fault, ObjectRef};

/// Who raises them.
const COMPONENT: &str = "isthmus-controller";
/// Longest note, in characters: the API allows 1024 bytes.
const MAX_NOTE: usize = 900;

/// How long something that isn't there may take to come before it is called missing: what is applied together arrives
/// one after another.
pub(super) const GRACE: SignedDuration = SignedDuration::from_secs(1);

/// Most faults that are remembered of an object when they have gone.
const MAX_REMEMBERED: usize = 256;

/// The faults of an object, and what has been said of each.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Raised(BTreeMap<Fault, Said>);

/// What has been said of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// Nothing yet; it is there since this time.
    Nothing(Timestamp),
    /// It was raised, and is there.
    Raised,
    /// It was raised, and went.
    Gone,
}

/// What to do about a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raise {
    /// It is new to this process.
    First(Fault),
    /// It was raised, went, and is back.
    Again(Fault),
}

impl Raised {
    /// Takes the present faults, and says which of them are to be raised, and whether others are still in their grace.
    pub(super) fn update(&mut self, faults: &[Fault], now: Timestamp) -> (Vec<Raise>, bool) {
        self.0.retain(|fault, said| faults.contains(fault) || !matches!(said, Said::Nothing(_)));
        for (fault, said) in &mut self.0 {
            if !faults.contains(fault) {
                *said = Said::Gone;
            }
        }
        if self.0.len() > MAX_REMEMBERED {
            self.0.retain(|_, said| *said != Said::Gone);
        }
        let (mut raise, mut waiting) = (Vec::new(), false);
        for fault in faults {
            let said = self.0.entry(fault.clone()).or_insert(Said::Nothing(now));
            match *said {
                Said::Raised => {}
                Said::Nothing(since) if fault.effect == Effect::Unresolved && now.duration_since(since) < GRACE => {
                    waiting = true;
                }
                Said::Nothing(_) => {
                    *said = Said::Raised;
                    raise.push(Raise::First(fault.clone()));
                }
                Said::Gone => {
                    *said = Said::Raised;
                    raise.push(Raise::Again(fault.clone()));
                }
            }
        }
        (raise, waiting)
    }
}

/// Raises one that has just come up.
pub(crate) async fn raise(client: &Client, object: &ObjectRef, uid: &str, fault: Fault) -> Result<(), kube::Error> {
    publish(client, object, uid, &Raise::Again(fault)).await
}

/// Raises one.
pub(super) async fn publish(client: &Client, object: &ObjectRef, uid: &str, raise: &Raise) -> Result<(), kube::Error> {
    if broken::is(broken::Fault::NoEvents) {
        return Ok(());
    }
    let api: Api<Event> = Api::namespaced(client.clone(), namespace(object));
    let (fault, again) = match raise {
        Raise::First(fault) => (fault, false),
        Raise::Again(fault) => (fault, true),
    };
    let now = Timestamp::now();
    let event = event(object, uid, fault, now);
    match api.create(&PostParams::default(), &event).await {
        // Raised by this replica or the one before it: said again only when the fault has come back.
        Err(kube::Error::Api(status)) if status.code == 409 => {
            let name = event.metadata.name.unwrap_or_default();
            if again {
                let count = api.get_opt(&name).await?.and_then(|e| e.count).unwrap_or(1).saturating_add(1);
                let patch = serde_json::json!({"count": count, "lastTimestamp": Time(now)});
                api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
            }
            Ok(())
        }
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
}

/// Where an object's Events are: for those outside of namespaces that is where the API server's own are.
fn namespace(object: &ObjectRef) -> &str {
    if object.kind.is_cluster_scoped() { "default" } else { &object.name.namespace }
}

fn event(object: &ObjectRef, uid: &str, fault: &Fault, now: Timestamp) -> Event {
    // The same fault of the same object has the same name, whichever replica raises it.
    let digest = digest(&[uid, fault.reason.as_str(), &fault.message]);
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{}.{digest}", object.name.name)),
            namespace: Some(namespace(object).to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some(object.kind.api_version().to_owned()),
            kind: Some(object.kind.as_str().to_owned()),
            namespace: (!object.kind.is_cluster_scoped()).then(|| object.name.namespace.to_string()),
            name: Some(object.name.name.to_string()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        },
        type_: Some(if fault.effect == Effect::Hint { "Normal" } else { "Warning" }.to_owned()),
        reason: Some(fault.reason.as_str().to_owned()),
        message: Some(fault.message.chars().take(MAX_NOTE).collect()),
        source: Some(EventSource { component: Some(COMPONENT.to_owned()), host: None }),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        count: Some(1),
        reporting_component: Some(COMPONENT.to_owned()),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests;
