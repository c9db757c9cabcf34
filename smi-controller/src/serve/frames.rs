//! The messages of one content, each made when the first proxy needs it and shared with the others.

use std::sync::Arc;

use hyper::body::Bytes;
use isthmus_api::{
    control::v1::ControllerMessage,
    frame::{self, TooLong},
};

use super::resource::{Compiled, Key};

/// Most versions that deltas are kept from: proxies that hold others are rare, and get the whole.
const MAX_DELTAS: usize = 4;

/// What a message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The content.
    Whole,
    /// What leads to it from the version before.
    Delta,
    /// That the proxy has it already.
    Unchanged,
}

/// What serving has cost since it was asked last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// Resources and checks that were made.
    pub(crate) made: u64,
    /// Messages that were encoded.
    pub(crate) encoded: u64,
    /// Messages that were sent with the content,
    pub(crate) whole: u64,
    /// with a delta to it,
    pub(crate) delta: u64,
    /// without either.
    pub(crate) unchanged: u64,
    /// Splits that have waited for their endpoints until those were there, and that haven't waited any longer.
    pub(crate) agreed: u64,
    pub(crate) expired: u64,
}

/// The encoded messages of a content.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    whole: Option<Result<Bytes, TooLong>>,
    unchanged: Option<Result<Bytes, TooLong>>,
    /// By the version that they lead from. `None`: there is no delta from it.
    deltas: Vec<(Arc<str>, Option<Bytes>)>,
    /// Counts what was encoded here.
    pub(crate) encoded: u64,
}

impl Frames {
    /// The frame that brings a proxy to `now`: one that holds it already, that was sent `before`, or neither.
    pub(crate) fn get(
        &mut self,
        key: &Key,
        now: &Compiled,
        before: Option<&Compiled>,
        held: bool,
    ) -> Result<(Bytes, Kind), TooLong> {
        let count = &mut self.encoded;
        if held {
            let frame = self.unchanged.get_or_insert_with(|| encode(key, &now.unchanged(key), count));
            return frame.clone().map(|frame| (frame, Kind::Unchanged));
        }
        if let Some(delta) = before.and_then(|before| self.delta(key, now, before)) {
            return Ok((delta, Kind::Delta));
        }
        let count = &mut self.encoded;
        let frame = self.whole.get_or_insert_with(|| encode(key, &now.whole(key), count));
        frame.clone().map(|frame| (frame, Kind::Whole))
    }

    fn delta(&mut self, key: &Key, now: &Compiled, before: &Compiled) -> Option<Bytes> {
        if let Some((_, delta)) = self.deltas.iter().find(|(from, _)| *from == before.version) {
            return delta.clone();
        }
        if self.deltas.len() >= MAX_DELTAS {
            return None;
        }
        // One that is too long to be sent is none.
        let delta = now.delta(key, before).and_then(|message| encode(key, &message, &mut self.encoded).ok());
        self.deltas.push((before.version.clone(), delta.clone()));
        delta
    }
}

fn encode(key: &Key, message: &ControllerMessage, count: &mut u64) -> Result<Bytes, TooLong> {
    *count += 1;
    frame::encode(message)
        .inspect_err(|error| tracing::error!(?key, %error, "this can't be sent: what proxies hold of it stays"))
}
