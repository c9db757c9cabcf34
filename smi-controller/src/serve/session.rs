//! One proxy's side of the conversation: what it asked for, was sent, and has acknowledged.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use hyper::body::Bytes;
use isthmus_api::MAX_REASON_CHARS;
use isthmus_core::id::ObjectName;
use isthmus_identity::RootId;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    frames::{Frames, Kind},
    resource::{Compiled, Key},
};
use crate::compile::Objects;

/// Most subscriptions of one proxy.
pub(crate) const MAX_SUBSCRIPTIONS: usize = 10_000;
/// Most messages of one subscription that wait to be acknowledged: one that the proxy applies, and one on its way.
/// What changes meanwhile is sent as one when it has caught up.
const WINDOW: usize = 2;
/// Longest version that a proxy is believed to hold; ours are shorter. It is kept for as long as the subscription.
const MAX_VERSION: usize = 64;

/// A connected proxy.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) pod: ObjectName,
    pub(crate) subscriptions: BTreeMap<Key, Subscription>,
    /// Keys that have something to send: however often one changes meanwhile, it is sent once.
    pub(crate) pending: BTreeSet<Key>,
    pub(crate) wake: Arc<Notify>,
    /// Cancelled when a newer session of the same pod takes over.
    pub(crate) replaced: CancellationToken,
    /// The root that the proxy's leaf stands on, as far as it has said.
    pub(crate) leaf: Option<RootId>,
}

/// One subscription.
#[derive(Debug, Default)]
pub(crate) struct Subscription {
    /// What the proxy said to hold when it subscribed.
    held: String,
    /// What was sent last.
    sent: Option<Compiled>,
    in_flight: VecDeque<InFlight>,
    /// What the proxy has in effect.
    acked: Option<(Arc<str>, Arc<Objects>)>,
    /// Why it didn't take what was sent last.
    refused: Option<String>,
}

#[derive(Debug)]
struct InFlight {
    version: Arc<str>,
    objects: Arc<Objects>,
    delta: bool,
}

impl Subscription {
    /// A new one, of a proxy that says to hold this version.
    pub(crate) fn holding(mut held: String) -> Self {
        if held.len() > MAX_VERSION {
            held = String::new();
        }
        Self { held, ..Self::default() }
    }

    /// Is there something to send, and may it be sent now?
    pub(crate) fn is_due(&self, now: &Compiled) -> bool {
        self.in_flight.len() < WINDOW && self.sent.as_ref().is_none_or(|sent| sent.version != now.version)
    }

    /// The frame that brings the proxy to `now`, if one is due.
    pub(crate) fn next(&mut self, key: &Key, now: &Compiled, frames: &mut Frames) -> Option<(Bytes, Kind)> {
        if !self.is_due(now) {
            return None;
        }
        // A delta can't lead from what the proxy refused.
        let before = self.sent.as_ref().filter(|_| self.refused.is_none());
        let held = self.sent.is_none() && self.held == *now.version;
        let (frame, kind) = match frames.get(key, now, before, held) {
            Ok(sendable) => sendable,
            Err(error) => {
                self.refused = Some(format!("it can't be sent: {error}"));
                return None;
            }
        };
        self.refused = None;
        self.sent = Some(now.clone());
        if kind == Kind::Unchanged {
            self.acked = Some((now.version.clone(), now.objects.clone()));
        } else {
            let delta = kind == Kind::Delta;
            self.in_flight.push_back(InFlight { version: now.version.clone(), objects: now.objects.clone(), delta });
        }
        Some((frame, kind))
    }

    /// The same content now stands for other generations: so it does in the proxies that have it.
    pub(crate) fn relabel(&mut self, now: &Compiled) {
        for in_flight in self.in_flight.iter_mut().filter(|f| f.version == now.version) {
            in_flight.objects = now.objects.clone();
        }
        if let Some((version, objects)) = &mut self.acked
            && *version == now.version
        {
            *objects = now.objects.clone();
        }
    }

    /// The proxy has applied this. What was never sent counts for nothing.
    pub(crate) fn ack(&mut self, version: &str) {
        let Some(at) = self.in_flight.iter().position(|f| *f.version == *version) else { return };
        self.refused = None;
        // Those before it were overtaken.
        if let Some(applied) = self.in_flight.drain(..=at).next_back() {
            self.acked = Some((applied.version, applied.objects));
        }
    }

    /// The proxy has refused this and keeps what it had. If it was a delta, the whole must be sent.
    pub(crate) fn refuse(&mut self, version: &str, reason: &str) {
        let Some(at) = self.in_flight.iter().position(|f| *f.version == *version) else { return };
        self.refused = Some(reason.chars().take(MAX_REASON_CHARS).collect());
        if self.in_flight.drain(..=at).next_back().is_some_and(|refused| refused.delta) {
            self.sent = None;
            self.held.clear();
        }
    }

    /// The objects in effect at the proxy.
    pub(crate) fn in_effect(&self) -> Option<&Arc<Objects>> {
        self.acked.as_ref().map(|(_, objects)| objects)
    }

    /// The version in effect at the proxy.
    pub(crate) fn version_in_effect(&self) -> Option<&str> {
        self.acked.as_ref().map(|(version, _)| &**version)
    }

    /// Why it didn't take what was sent last.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.refused.as_deref()
    }
}
