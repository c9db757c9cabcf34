//! What is subscribed to and held: the state of the session, without its IO.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use isthmus_api::{
    control::v1::{ControllerMessage, ResourceKey, Subscribe, controller_message::Content, resource_key::Kind},
    decode, delta, encode, tap, telemetry,
};
use isthmus_core::{
    destination::{Destination, DestinationKey},
    inbound::InboundPolicy,
    telemetry::{settings::Settings, tap::Tap},
};
use isthmus_identity::Bundle;

use super::{certify::read_bundle, view};

/// Versions and contents that the proxy holds.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    bundles: Option<String>,
    inbound: Option<(String, Arc<InboundPolicy>)>,
    telemetry: Option<(String, Arc<Settings>)>,
    taps: Option<String>,
    destinations: BTreeMap<DestinationKey, Slot>,
}

#[derive(Debug)]
struct Slot {
    held: Option<(String, Arc<Destination>)>,
    used: Instant,
}

/// A new content, to be applied everywhere before it is held.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    Bundles(Vec<Bundle>),
    Policy(Arc<InboundPolicy>),
    Destination(DestinationKey, Arc<Destination>),
    Telemetry(Arc<Settings>),
    Taps(Arc<[Tap]>),
}

type Verdict = super::Verdict<Change>;

impl Subscriptions {
    /// Every subscription with the version held, for a new session.
    pub(super) fn all(&self) -> Vec<Subscribe> {
        let own = [
            (encode::bundles_key(), self.bundles.clone()),
            (encode::inbound_key(), self.inbound.as_ref().map(|(version, _)| version.clone())),
        ];
        let slot = |(key, slot): (&DestinationKey, &Slot)| {
            (encode::destination_key(key), slot.held.as_ref().map(|(version, _)| version.clone()))
        };
        let subscribe =
            |(key, held): (ResourceKey, Option<String>)| Subscribe { key: Some(key), held: held.unwrap_or_default() };
        own.into_iter().chain(self.destinations.iter().map(slot)).map(subscribe).collect()
    }

    /// The same of what the proxy can do without.
    pub(super) fn extras(&self) -> Vec<Subscribe> {
        let held = self.telemetry.as_ref().map(|(version, _)| version.clone()).unwrap_or_default();
        let taps = Subscribe { key: Some(encode::taps_key()), held: self.taps.clone().unwrap_or_default() };
        vec![Subscribe { key: Some(encode::telemetry_key()), held }, taps]
    }

    /// A destination is wanted; the subscription to send, if it is new.
    pub(super) fn want(&mut self, key: &DestinationKey, now: Instant) -> Option<Subscribe> {
        if let Some(slot) = self.destinations.get_mut(key) {
            slot.used = now;
            return None;
        }
        self.destinations.insert(key.clone(), Slot { held: None, used: now });
        Some(Subscribe { key: Some(encode::destination_key(key)), held: String::new() })
    }

    /// What the proxy holds of a destination.
    pub(super) fn held(&self, key: &DestinationKey) -> Option<Arc<Destination>> {
        self.destinations.get(key)?.held.as_ref().map(|(_, destination)| Arc::clone(destination))
    }

    /// What the proxy holds of all destinations.
    pub(super) fn destinations(&self) -> impl Iterator<Item = &Destination> {
        self.destinations.values().filter_map(|slot| slot.held.as_ref().map(|(_, destination)| &**destination))
    }

    /// A destination was used at that time.
    pub(super) fn used(&mut self, key: &DestinationKey, at: Instant) {
        if let Some(slot) = self.destinations.get_mut(key) {
            slot.used = slot.used.max(at);
        }
    }

    /// Forgets the destinations that weren't used since.
    pub(super) fn forget(&mut self, since: Instant) -> Vec<DestinationKey> {
        let idle = self.destinations.extract_if(.., |_, slot| slot.used < since);
        idle.map(|(key, _)| key).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.destinations.len()
    }

    /// Judges a message. Nothing is held until [`Self::hold`].
    pub(super) fn receive(&self, message: ControllerMessage) -> Verdict {
        let kind = message.key.and_then(|key| key.kind);
        let refuse = |error: &dyn std::fmt::Display| Verdict::Refuse(error.to_string());
        match (kind, message.content) {
            (_, Some(Content::Unchanged(_))) => Verdict::Held,
            (Some(Kind::Bundles(_)), Some(Content::Bundles(bundles))) => {
                match bundles.bundles.into_iter().map(read_bundle).collect() {
                    Ok(bundles) => Verdict::Apply(Change::Bundles(bundles)),
                    Err(error) => refuse(&error),
                }
            }
            (Some(Kind::Inbound(_)), Some(Content::Inbound(policy))) => match decode::inbound(policy) {
                Ok(policy) => Verdict::Apply(Change::Policy(Arc::new(policy))),
                Err(error) => refuse(&error),
            },
            (Some(Kind::Telemetry(_)), Some(Content::Telemetry(settings))) => match telemetry::decode(settings) {
                Ok(settings) => Verdict::Apply(Change::Telemetry(Arc::new(settings))),
                Err(error) => refuse(&error),
            },
            (Some(Kind::Taps(_)), Some(Content::Taps(taps))) => match tap::decode(taps) {
                Ok(taps) => Verdict::Apply(Change::Taps(taps.into())),
                Err(error) => refuse(&error),
            },
            (Some(Kind::Destination(key)), Some(Content::Destination(destination))) => {
                let Ok(key) = decode::destination_key(&key) else { return Verdict::Stray };
                if !self.destinations.contains_key(&key) {
                    return Verdict::Stray;
                }
                match decode::destination(destination) {
                    Ok(destination) => Verdict::Apply(Change::Destination(key, Arc::new(destination))),
                    Err(error) => refuse(&error),
                }
            }
            (Some(Kind::Destination(key)), Some(Content::Endpoints(change))) => {
                let Ok(key) = decode::destination_key(&key) else { return Verdict::Stray };
                let Some(slot) = self.destinations.get(&key) else { return Verdict::Stray };
                match &slot.held {
                    Some((version, held)) if *version == change.from => match delta::apply(held, change) {
                        Ok(destination) => Verdict::Apply(Change::Destination(key, Arc::new(destination))),
                        Err(error) => refuse(&error),
                    },
                    Some((version, _)) => {
                        Verdict::Resubscribe(format!("the delta is from {:?}, but {version:?} is held", change.from))
                    }
                    None => Verdict::Resubscribe(format!("the delta is from {:?}, but nothing is held", change.from)),
                }
            }
            (None, _) => Verdict::Stray,
            (Some(_), _) => Verdict::Refuse("the content doesn't belong to the key".into()),
        }
    }

    /// Holds what was applied everywhere.
    pub(super) fn hold(&mut self, change: Change, version: String) {
        match change {
            Change::Bundles(_) => self.bundles = Some(version),
            Change::Policy(policy) => self.inbound = Some((version, policy)),
            Change::Telemetry(settings) => self.telemetry = Some((version, settings)),
            Change::Taps(_) => self.taps = Some(version),
            Change::Destination(key, destination) => {
                if let Some(slot) = self.destinations.get_mut(&key) {
                    slot.held = Some((version, destination));
                }
            }
        }
    }

    /// What users want to see of the pod's traffic.
    pub(super) fn settings(&self) -> Option<&Settings> {
        self.telemetry.as_ref().map(|(_, settings)| &**settings)
    }

    /// Versions and contents, for the admin server.
    pub(super) fn shown(&self) -> serde_json::Value {
        let destination = |(key, slot): (&DestinationKey, &Slot)| {
            let held = slot.held.as_ref();
            serde_json::json!({
                "host": &*key.host,
                "port": key.port,
                "version": held.map(|(version, _)| version),
                "destination": held.map(|(_, destination)| view::destination(destination)),
            })
        };
        serde_json::json!({
            "bundles": { "version": self.bundles },
            "inbound": self.inbound.as_ref().map(|(version, policy)| {
                serde_json::json!({ "version": version, "policy": view::policy(policy) })
            }),
            "telemetry": self.telemetry.as_ref().map(|(version, settings)| {
                serde_json::json!({ "version": version, "settings": view::telemetry(settings) })
            }),
            "destinations": self.destinations.iter().map(destination).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests;
