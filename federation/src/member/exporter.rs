//! What one peer is offered, and how it is told: a whole catalog, then changes of it, then signs of life.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use isthmus_api::federation::v1::{self as proto, catalog::Content};
use isthmus_identity::{SealFailed, Svid};
use prost::Message;
use rustls::pki_types::CertificateDer;

use crate::{
    catalog::{
        Digest, Exports,
        delta::Delta,
        receive::{Line, unix},
        wire as form,
    },
    limits::{HEARTBEAT, LEASE, MAX_CATALOG_BYTES, MAX_CLOCK_DIFFERENCE, MAX_DELTAS},
    wire::{self, CATALOG},
};

/// Changes up to this many bytes in sum aren't replaced by a whole catalog, however small that is.
const MIN_DELTA_BYTES: usize = 16 << 10;

/// A controller's certificate.
pub(super) type Leaf = Option<CertificateDer<'static>>;

/// Why a catalog isn't published. Peers keep the one before, and it ages.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotPublished {
    #[error("the catalog has {0} bytes; at most {MAX_CATALOG_BYTES} are allowed: export fewer services to this peer")]
    TooLong(usize),
    #[error("{0}: export fewer to this peer")]
    TooMany(#[from] form::BadMessage),
    #[error(transparent)]
    Seal(#[from] SealFailed),
}

/// One peer's catalog.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// What is offered now; `None`: the relation has ended.
    offered: Option<Arc<Exports>>,
    sent: Option<Sent>,
    /// The highest sequence that the hub has told of: of an earlier run of this controller, or of another replica.
    told: u64,
    /// The hub needs what was sent once more, and whole.
    resend: bool,
    /// Nothing can be published until the offer changes.
    stuck: bool,
    counter: u64,
    next_beat: Option<Instant>,
}

/// What was published last.
#[derive(Debug)]
struct Sent {
    sequence: u64,
    digest: Digest,
    /// `None`: a withdrawal.
    exports: Option<Arc<Exports>>,
    /// What has sealed the last whole catalog: when it is over, nobody can open that one any more.
    leaf: Leaf,
    /// Of the last whole catalog, and of the changes since.
    whole_bytes: usize,
    delta_bytes: usize,
    deltas: usize,
}

impl Outgoing {
    /// What is to be offered from now on.
    pub(super) fn offer(&mut self, exports: Option<Arc<Exports>>) {
        if self.offered != exports {
            self.offered = exports;
            self.stuck = false;
        }
    }

    /// Is there, or was there, anything for this peer?
    pub(super) fn is_vain(&self) -> bool {
        self.offered.is_none() && self.sent.is_none() && self.told == 0
    }

    /// A session begins, and the hub says what it holds: the sequence, and the digest if it has the catalog itself.
    pub(super) fn told(&mut self, sequence: u64, digest: Option<Digest>, wall: SystemTime) {
        // Higher ones would be somebody's attempt to use up all numbers.
        if sequence <= millis(wall).saturating_add(millis_of(MAX_CLOCK_DIFFERENCE)) {
            self.told = self.told.max(sequence);
        }
        let has = |sent: &Sent| Some(sent.digest) == digest && sent.sequence == sequence;
        self.resend = !self.sent.as_ref().is_some_and(has);
    }

    /// The hub holds nothing that a change could follow on.
    pub(super) fn wanted(&mut self) {
        self.resend = true;
    }

    /// A new session: nothing is known of what the hub holds before it has said so. If it holds everything, the next sign of
    /// life is all that is sent, so that stays due.
    pub(super) fn begin_session(&mut self) {
        self.resend = true;
    }

    /// Is there something to publish?
    pub(super) fn is_due(&self, svid: &Svid) -> bool {
        if self.stuck {
            return false;
        }
        match &self.sent {
            None => self.offered.is_some() || self.told > 0,
            Some(sent) => {
                let renewed = sent.exports.is_some() && sent.leaf.as_ref() != svid.chain().first();
                self.resend || renewed || sent.exports != self.offered
            }
        }
    }

    /// Makes what is to be published.
    pub(super) fn publish(
        &mut self,
        line: &Line,
        svid: &Svid,
        now: Instant,
        wall: SystemTime,
    ) -> Result<proto::Addressed, NotPublished> {
        let published = self.make(line, svid, wall);
        match &published {
            // Which is a sign of life too.
            Ok(_) => self.next_beat = now.checked_add(HEARTBEAT),
            Err(_) => self.stuck = true,
        }
        published
    }

    fn make(&mut self, line: &Line, svid: &Svid, wall: SystemTime) -> Result<proto::Addressed, NotPublished> {
        let exports = self.offered.clone();
        if let Some(exports) = &exports {
            form::check(exports)?;
        }
        let unchanged = self.sent.as_ref().filter(|sent| {
            sent.exports == exports && sent.leaf.as_ref() == svid.chain().first() && sent.sequence >= self.told
        });
        // What the hub has lost goes out again as it was; all else is new.
        let sequence = match unchanged {
            Some(sent) => sent.sequence,
            None => next_sequence(self.sent.as_ref().map_or(0, |sent| sent.sequence), self.told, wall),
        };
        let digest = exports.as_deref().unwrap_or(&Exports::default()).digest();
        let (content, base) = self.content(exports.as_ref(), svid);
        let payload = proto::Catalog {
            mesh: line.mesh.to_string(),
            cluster: line.cluster.to_string(),
            audience: line.audience.to_string(),
            sequence,
            digest: digest.as_bytes().to_vec().into(),
            lease: u32::try_from(LEASE.as_secs()).unwrap_or(u32::MAX),
            issued_at: unix(wall),
            content: Some(content),
        }
        .encode_to_vec();
        let bytes = payload.len();
        if bytes > MAX_CATALOG_BYTES {
            return Err(NotPublished::TooLong(bytes));
        }
        let sealed = wire::sealed(svid.seal(CATALOG, payload)?);
        let before = self.sent.take().filter(|_| base > 0);
        self.sent = Some(match before {
            Some(sent) => Sent {
                sequence,
                digest,
                exports,
                delta_bytes: sent.delta_bytes.saturating_add(bytes),
                deltas: sent.deltas.saturating_add(1),
                ..sent
            },
            None => {
                let leaf = svid.chain().first().cloned();
                Sent { sequence, digest, exports, leaf, whole_bytes: bytes, delta_bytes: 0, deltas: 0 }
            }
        });
        self.resend = false;
        Ok(proto::Addressed {
            to: line.audience.to_string(),
            sealed: Some(sealed),
            sequence,
            base,
            digest: digest.as_bytes().to_vec().into(),
        })
    }

    /// A change when that is enough and not more bytes than the whole, and what it changes.
    fn content(&self, exports: Option<&Arc<Exports>>, svid: &Svid) -> (Content, u64) {
        let Some(exports) = exports else { return (Content::Withdrawn(proto::Nothing {}), 0) };
        let follows = self.sent.as_ref().filter(|sent| {
            let lasts = sent.leaf.as_ref() == svid.chain().first();
            !self.resend && lasts && sent.sequence >= self.told && sent.deltas < MAX_DELTAS
        });
        if let Some((sent, held)) = follows.and_then(|sent| Some((sent, sent.exports.as_ref()?))) {
            let delta = Delta::between(held, exports).encode(sent.sequence);
            let bytes = sent.delta_bytes.saturating_add(delta.encoded_len());
            if bytes <= sent.whole_bytes.max(MIN_DELTA_BYTES) {
                return (Content::Delta(delta), sent.sequence);
            }
        }
        (Content::Whole(form::exports(exports)), 0)
    }

    /// When the next sign of life is due.
    pub(super) fn next_beat(&self) -> Option<Instant> {
        self.next_beat.filter(|_| self.offered.is_some() && !self.stuck)
    }

    /// Makes a sign of life, if it is time.
    pub(super) fn beat(
        &mut self,
        line: &Line,
        svid: &Svid,
        now: Instant,
        wall: SystemTime,
    ) -> Option<Result<proto::Addressed, NotPublished>> {
        let sequence = self.sent.as_ref()?.sequence;
        self.next_beat().filter(|due| *due <= now)?;
        self.next_beat = now.checked_add(HEARTBEAT);
        self.counter = self.counter.saturating_add(1);
        let payload = proto::Heartbeat {
            mesh: line.mesh.to_string(),
            cluster: line.cluster.to_string(),
            audience: line.audience.to_string(),
            sequence,
            counter: self.counter,
            issued_at: unix(wall),
        };
        let sealed = svid.seal(wire::HEARTBEAT, payload.encode_to_vec()).map_err(NotPublished::Seal);
        let to = line.audience.to_string();
        Some(sealed.map(|sealed| proto::Addressed {
            to,
            sealed: Some(wire::sealed(sealed)),
            sequence,
            ..proto::Addressed::default()
        }))
    }
}

/// Higher than all before: of this run, and of what the hub knows of others. Milliseconds of the clock make it so even
/// where the hub knows nothing, unless the clock was set back.
fn next_sequence(last: u64, told: u64, wall: SystemTime) -> u64 {
    last.max(told).saturating_add(1).max(millis(wall))
}

/// Unix milliseconds.
pub(super) fn millis(wall: SystemTime) -> u64 {
    millis_of(wall.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn millis_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
