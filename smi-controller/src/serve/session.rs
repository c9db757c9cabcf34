//! One proxy's side of the conversation: what it asked for, was sent, and has acknowledged.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use isthmus_api::control::v1::ControllerMessage;
use isthmus_core::id::ObjectName;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::resource::{Compiled, Key};
use crate::compile::Objects;

/// Most subscriptions of one proxy.
pub(crate) const MAX_SUBSCRIPTIONS: usize = 10_000;
/// Most unacknowledged messages that are remembered per subscription; older ones count as never acknowledged.
const MAX_IN_FLIGHT: usize = 16;

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
    pub(crate) fn holding(held: String) -> Self {
        Self { held, ..Self::default() }
    }

    /// The message to send to bring the proxy to `now`, if one is needed.
    pub(crate) fn next(&mut self, key: &Key, now: &Compiled) -> Option<ControllerMessage> {
        if self.sent.as_ref().is_some_and(|sent| sent.version == now.version) {
            return None;
        }
        self.refused = None;
        if self.sent.is_none() && self.held == *now.version {
            self.acked = Some((now.version.clone(), now.objects.clone()));
            self.sent = Some(now.clone());
            return Some(now.unchanged(key));
        }
        let (message, delta) = now.message(key, self.sent.as_ref());
        if self.in_flight.len() >= MAX_IN_FLIGHT {
            self.in_flight.pop_front();
        }
        self.in_flight.push_back(InFlight { version: now.version.clone(), objects: now.objects.clone(), delta });
        self.sent = Some(now.clone());
        Some(message)
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

    /// The proxy has applied this. `false`: it was never sent.
    pub(crate) fn ack(&mut self, version: &str) -> bool {
        let Some(at) = self.in_flight.iter().position(|f| *f.version == *version) else {
            return self.acked.as_ref().is_some_and(|(acked, _)| **acked == *version);
        };
        // Those before it were overtaken.
        if let Some(applied) = self.in_flight.drain(..=at).next_back() {
            self.acked = Some((applied.version, applied.objects));
        }
        true
    }

    /// The proxy has refused this and keeps what it had. `true`: it was a delta, so the whole must be sent.
    pub(crate) fn refuse(&mut self, version: &str, reason: &str) -> bool {
        let Some(at) = self.in_flight.iter().position(|f| *f.version == *version) else { return false };
        self.refused = Some(reason.chars().take(500).collect());
        let delta = self.in_flight.drain(..=at).next_back().is_some_and(|refused| refused.delta);
        if delta {
            self.sent = None;
            self.held.clear();
        }
        delta
    }

    /// The objects in effect at the proxy.
    pub(crate) fn in_effect(&self) -> Option<&Objects> {
        self.acked.as_ref().map(|(_, objects)| &**objects)
    }

    /// Why it didn't take what was sent last.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.refused.as_deref()
    }
}
