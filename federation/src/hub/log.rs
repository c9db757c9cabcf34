//! What the hub keeps of one catalog for one audience: the newest whole one, and the changes since. The hub can't make a
//! whole of them, for it can't seal it.

use std::collections::VecDeque;

use isthmus_api::federation::v1 as proto;

use crate::{
    catalog::Digest,
    limits::{MAX_CATALOG_BYTES, MAX_DELTAS},
};

/// One catalog.
#[derive(Debug)]
pub(super) struct Log {
    whole: Entry,
    deltas: VecDeque<Entry>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    sequence: u64,
    digest: Digest,
    sealed: proto::Sealed,
}

/// Why it isn't kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotKept {
    /// The whole is needed.
    #[error("it doesn't follow on what the hub holds")]
    Gap,
    #[error("sequence {given} is not higher than {held}, which is held")]
    Old { held: u64, given: u64 },
    #[error("it has {0} bytes; at most {MAX_CATALOG_BYTES} are allowed")]
    TooLong(usize),
    #[error("its digest is not a SHA-256, 32 bytes")]
    Digest,
    #[error("it has no seal")]
    NoSeal,
}

/// A receiver's place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It has nothing that a change could follow on, and takes nothing lower than this.
    Floor(u64),
    /// It has the catalog of this sequence.
    At(u64),
}

impl Place {
    pub(super) fn sequence(self) -> u64 {
        match self {
            Self::Floor(sequence) | Self::At(sequence) => sequence,
        }
    }
}

impl Log {
    /// Takes a catalog in. `log` is what there is so far.
    pub(super) fn put(log: &mut Option<Self>, message: proto::Addressed) -> Result<(), NotKept> {
        let proto::Addressed { sealed, sequence, base, digest, .. } = message;
        let sealed = sealed.ok_or(NotKept::NoSeal)?;
        let digest = Digest::from_bytes(&digest).ok_or(NotKept::Digest)?;
        let size = bytes(&sealed);
        if size > MAX_CATALOG_BYTES {
            return Err(NotKept::TooLong(size));
        }
        let entry = Entry { sequence, digest, sealed };
        if base == 0 {
            // The same one may come again: sealed anew, it lasts longer.
            if let Some(held) = log.as_ref().map(Self::newest).filter(|held| sequence < held.0) {
                return Err(NotKept::Old { held: held.0, given: sequence });
            }
            *log = Some(Self { whole: entry, deltas: VecDeque::new(), bytes: size });
            return Ok(());
        }
        let Some(log) = log.as_mut().filter(|log| log.newest().0 == base) else { return Err(NotKept::Gap) };
        if sequence <= base {
            return Err(NotKept::Old { held: base, given: sequence });
        }
        // What a subscriber that comes late is sent stays within a few wholes.
        if log.deltas.len() >= MAX_DELTAS || log.bytes.saturating_add(size) > 2 * MAX_CATALOG_BYTES {
            return Err(NotKept::Gap);
        }
        log.bytes = log.bytes.saturating_add(size);
        log.deltas.push_back(entry);
        Ok(())
    }

    /// The newest sequence and its digest.
    pub(super) fn newest(&self) -> (u64, Digest) {
        let newest = self.deltas.back().unwrap_or(&self.whole);
        (newest.sequence, newest.digest)
    }

    /// Bytes kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What a receiver at this place is sent next, and where it is then. `None`: it has the newest.
    pub(super) fn after(&self, place: Option<Place>) -> Option<(&proto::Sealed, Place)> {
        let entry = match place {
            Some(Place::At(held)) if self.whole.sequence == held => self.deltas.front(),
            Some(Place::At(held)) if held >= self.newest().0 => None,
            Some(Place::At(held)) => {
                let at = self.deltas.iter().position(|entry| entry.sequence == held);
                at.map_or(Some(&self.whole), |at| self.deltas.get(at.saturating_add(1)))
            }
            // It wouldn't take anything of this.
            Some(floor @ Place::Floor(_)) if floor.sequence() > self.newest().0 => None,
            _ => Some(&self.whole),
        }?;
        Some((&entry.sealed, Place::At(entry.sequence)))
    }
}

pub(super) fn bytes(sealed: &proto::Sealed) -> usize {
    let chain: usize = sealed.chain.iter().map(|certificate| certificate.len()).sum();
    sealed.payload.len().saturating_add(chain).saturating_add(sealed.signature.len())
}

#[cfg(test)]
mod tests;
