//! Taps at this pod: what passes is told to those who watch, in the words of the access log, and never more of it than they may have.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use isthmus_api::control::v1::Tapped;
use isthmus_core::{
    rate::Bucket,
    telemetry::tap::{Seen, Tap},
};
use prometheus::IntCounterVec;
use tokio::sync::mpsc;

use crate::access_log::{self, Record};

/// How what a tap takes may fare.
pub(crate) const OUTCOMES: [&str; 2] = ["told", "missed"];

/// The taps of one worker.
pub(crate) struct Taps {
    active: RefCell<Vec<Active>>,
    /// There are none, which is all that a request asks.
    idle: Cell<bool>,
    told: mpsc::Sender<Tapped>,
    counts: IntCounterVec,
}

struct Active {
    tap: Tap,
    bucket: Bucket,
    until: Duration,
    missed: u64,
}

impl Taps {
    pub(crate) fn new(told: mpsc::Sender<Tapped>, counts: IntCounterVec) -> Self {
        Self { active: RefCell::default(), idle: Cell::new(true), told, counts }
    }

    pub(crate) fn are_idle(&self) -> bool {
        self.idle.get()
    }

    /// These are at the pod from now on; those that were before go on. Each of so many workers tells its part of the most.
    pub(crate) fn set(&self, taps: &[Tap], workers: usize, now: Duration) {
        let mut active = self.active.borrow_mut();
        let mut before = std::mem::take(&mut *active);
        let workers = u32::try_from(workers).unwrap_or(u32::MAX).max(1);
        *active = taps
            .iter()
            .map(|tap| match before.iter().position(|old| old.tap == *tap) {
                Some(place) => before.swap_remove(place),
                None => {
                    let most = tap.per_second.div_ceil(workers);
                    let bucket = Bucket::new(most, most, now);
                    Active { tap: tap.clone(), bucket, until: now.saturating_add(tap.lasts), missed: 0 }
                }
            })
            .collect();
        self.idle.set(active.is_empty());
    }

    /// Tells those whom it concerns of a record. `now` is the time since the worker's start.
    pub(crate) fn see(&self, record: &Record<'_>, now: Duration) {
        let mut active = self.active.borrow_mut();
        active.retain(|active| now < active.until);
        self.idle.set(active.is_empty());
        let seen = Seen {
            inbound: record.direction == "inbound",
            method: record.method,
            path: record.path,
            status: record.status,
            peer: record.workload.as_deref(),
            service: record.service,
        };
        let mut json = None;
        for active in active.iter_mut().filter(|active| active.tap.filter.takes(seen)) {
            if !active.bucket.spend(1, || now) {
                self.miss(active);
                continue;
            }
            let json = json.get_or_insert_with(|| access_log::json(record)).clone();
            let tapped = Tapped { tap: active.tap.id, records: vec![json.into()], missed: active.missed };
            match self.told.try_send(tapped) {
                Ok(()) => {
                    active.missed = 0;
                    self.counts.with_label_values(&["told"]).inc();
                }
                Err(_) => self.miss(active),
            }
        }
    }

    fn miss(&self, active: &mut Active) {
        active.missed = active.missed.saturating_add(1);
        self.counts.with_label_values(&["missed"]).inc();
    }
}

#[cfg(test)]
mod tests;
