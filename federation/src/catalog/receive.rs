//! What a receiver makes of a catalog or a sign of life whose seal has been opened: by then it is certain who says it, and
//! left to ask is for whom, and whether it is the newest.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use isthmus_api::federation::v1::{self as proto, catalog::Content};
use isthmus_core::federation::MeshName;
use prost::Message;

use super::{
    Digest, Exports,
    delta::Delta,
    wire::{self, BadMessage},
};
use crate::{
    limits::{MAX_CATALOG_BYTES, MAX_CLOCK_DIFFERENCE},
    names::Cluster,
};

/// Whose word it should be, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// The mesh that says it.
    pub mesh: MeshName,
    /// Its cluster.
    pub cluster: Cluster,
    /// The one mesh that it is for.
    pub audience: MeshName,
}

/// The newest catalog of a cluster that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its sequence: nothing lower is taken.
    pub sequence: u64,
    /// Its digest: nothing else is taken at that sequence.
    pub digest: Digest,
    /// Its content; `None` after a restart, when only the two above were kept, and after a withdrawal.
    pub exports: Option<Arc<Exports>>,
}

/// What has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// A new catalog.
    New(Held),
    /// What is held already.
    Same,
    /// The exporter has ended the relation.
    Withdrawn(Held),
}

/// Why it isn't taken. What was held stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotTaken {
    /// It was made for another mesh, or speaks for another than its signer's.
    #[error("{field} is {found:?}, not {expected:?}: it was not made for this")]
    Misdirected {
        /// The field.
        field: &'static str,
        /// What it says.
        found: String,
        /// What it should say.
        expected: String,
    },
    /// It is older than what is held.
    #[error("sequence {given} is lower than {held}, which is held: an old catalog was sent again")]
    RolledBack {
        /// The sequence held.
        held: u64,
        /// The sequence given.
        given: u64,
    },
    /// There are two of one sequence.
    #[error("sequence {0} was signed twice with different contents")]
    Equivocation(u64),
    /// Something between what is held and this is missing.
    #[error("it changes sequence {base}, which isn't held: the whole is needed")]
    Gap {
        /// The sequence that it changes.
        base: u64,
    },
    /// The content isn't what its digest says.
    #[error("the content doesn't have the digest that it was signed with")]
    WrongDigest,
    /// The signer's clock, or ours, is wrong by more than allowed; or it was kept for long, and sent again.
    #[error(
        "it was signed at {issued_at} (Unix seconds) by the exporter's clock, too far from now: set both clocks by NTP"
    )]
    Clock {
        /// When it was signed.
        issued_at: i64,
    },
    /// It is longer than allowed.
    #[error("it has {0} bytes; at most {MAX_CATALOG_BYTES} are allowed")]
    TooLong(usize),
    /// It can't be read.
    #[error(transparent)]
    Bad(#[from] BadMessage),
}

impl NotTaken {
    /// Would the whole catalog help?
    pub fn wants_whole(&self) -> bool {
        matches!(self, Self::Gap { .. } | Self::WrongDigest)
    }
}

/// Takes a catalog in, or says why not.
pub fn catalog(held: Option<&Held>, line: &Line, payload: &[u8], now: SystemTime) -> Result<Taken, NotTaken> {
    if payload.len() > MAX_CATALOG_BYTES {
        return Err(NotTaken::TooLong(payload.len()));
    }
    let message = proto::Catalog::decode(payload).map_err(|error| BadMessage::Unreadable(error.to_string()))?;
    line.check(&message.mesh, &message.cluster, &message.audience)?;
    // It may have been signed long ago: it is the newest until its exporter signs another.
    if ahead(message.issued_at, now) > MAX_CLOCK_DIFFERENCE {
        return Err(NotTaken::Clock { issued_at: message.issued_at });
    }
    let digest = Digest::from_bytes(&message.digest).ok_or_else(|| {
        wire::bad("digest", &format!("{} bytes", message.digest.len()), "must be a SHA-256, 32 bytes")
    })?;
    let sequence = message.sequence;
    if let Some(held) = held {
        if sequence < held.sequence {
            return Err(NotTaken::RolledBack { held: held.sequence, given: sequence });
        }
        if sequence == held.sequence && digest != held.digest {
            return Err(NotTaken::Equivocation(sequence));
        }
        if sequence == held.sequence && held.exports.is_some() {
            return Ok(Taken::Same);
        }
    }
    let exports = match message.content.ok_or(BadMessage::Missing("content"))? {
        Content::Whole(whole) => wire::read_exports(whole)?,
        Content::Delta(delta) => changed(held, delta)?,
        Content::Withdrawn(_) => {
            return Ok(Taken::Withdrawn(Held { sequence, digest, exports: None }));
        }
    };
    if exports.digest() != digest {
        return Err(NotTaken::WrongDigest);
    }
    Ok(Taken::New(Held { sequence, digest, exports: Some(Arc::new(exports)) }))
}

fn changed(held: Option<&Held>, delta: proto::Delta) -> Result<Exports, NotTaken> {
    let base = delta.base;
    let held = held.filter(|held| held.sequence == base).and_then(|held| held.exports.as_ref());
    let held = held.ok_or(NotTaken::Gap { base })?;
    // What doesn't fit to the catalog of that sequence was made from another one.
    let next = Delta::decode(delta)?.apply(held).map_err(|_| NotTaken::WrongDigest)?;
    super::wire::within("services", next.services.len(), crate::limits::MAX_SERVICES)?;
    Ok(next)
}

/// A sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// Of the exporter's newest catalog.
    pub sequence: u64,
    /// Grows with each at one sequence.
    pub counter: u64,
    /// When it was given by the exporter's clock, Unix seconds.
    pub issued_at: i64,
}

/// Takes a sign of life in.
pub fn heartbeat(line: &Line, payload: &[u8], now: SystemTime) -> Result<Beat, NotTaken> {
    let message = proto::Heartbeat::decode(payload).map_err(|error| BadMessage::Unreadable(error.to_string()))?;
    line.check(&message.mesh, &message.cluster, &message.audience)?;
    timely(message.issued_at, now)?;
    let proto::Heartbeat { sequence, counter, issued_at, .. } = message;
    Ok(Beat { sequence, counter, issued_at })
}

/// Signed within [`MAX_CLOCK_DIFFERENCE`] of now, by the signer's clock?
pub(crate) fn timely(issued_at: i64, now: SystemTime) -> Result<(), NotTaken> {
    let off = ahead(issued_at, now).max(behind(issued_at, now));
    if off > MAX_CLOCK_DIFFERENCE { Err(NotTaken::Clock { issued_at }) } else { Ok(()) }
}

impl Line {
    pub(crate) fn check(&self, mesh: &str, cluster: &str, audience: &str) -> Result<(), NotTaken> {
        let same = |field, found: &str, expected: &str| {
            let (found, expected) = (found.chars().take(100).collect::<String>(), expected.to_owned());
            if found == expected { Ok(()) } else { Err(NotTaken::Misdirected { field, found, expected }) }
        };
        same("mesh", mesh, self.mesh.as_str())?;
        same("cluster", cluster, self.cluster.as_str())?;
        same("audience", audience, self.audience.as_str())
    }
}

/// Unix seconds; moments before 1970 count as 1970.
pub(crate) fn unix(time: SystemTime) -> i64 {
    let seconds = time.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default();
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn ahead(issued_at: i64, now: SystemTime) -> Duration {
    Duration::from_secs(u64::try_from(issued_at.saturating_sub(unix(now))).unwrap_or(0))
}

fn behind(issued_at: i64, now: SystemTime) -> Duration {
    Duration::from_secs(u64::try_from(unix(now).saturating_sub(issued_at)).unwrap_or(0))
}

#[cfg(test)]
mod tests;
