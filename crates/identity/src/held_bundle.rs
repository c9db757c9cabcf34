//! What a peer of a mesh believes of it: the newest bundle that a chain of signatures leads to.
//!
//! The first one is taken by its digest, which an invitation brought past whoever carries the bundles. Each later one must be
//! signed by a root of the one held. So a carrier (the hub) can withhold a bundle, but neither make nor change one, nor
//! bring an old one back.
//!
//! What this can't know: a peer that was cut off while a root was retired believes that root still, and so whoever has stolen
//! its key, until it hears from the mesh or the root expires.

mod refused;

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use isthmus_core::id::TrustDomain;

use crate::{
    bundle::Bundle,
    bundle_digest::BundleDigest,
    bundle_document::Document,
    leaf,
    signed_bundle::{Chain, SignedBundle},
    svid::validity,
};

pub use refused::BundleRefused;

/// The bundle of another mesh that is believed.
#[derive(Clone, PartialEq, Eq)]
pub struct HeldBundle {
    bundle: Bundle,
    document: Vec<u8>,
}

/// How far a chain has led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advanced {
    /// The newest bundle that can be believed; what was held if nothing in the chain can.
    pub held: HeldBundle,
    /// The first thing in the chain that was wrong. The rest counts nevertheless: one bad link is not to hold up good ones.
    pub refused: Option<BundleRefused>,
}

impl HeldBundle {
    /// Takes the first bundle of a mesh out of its chain, the newest one with this digest, and goes on from there.
    ///
    /// It must be signed by a root of its own too, for the digest doesn't bind its sequence: with one that is made up, a carrier
    /// could have every later bundle refused.
    pub fn join(
        domain: &TrustDomain,
        pin: BundleDigest,
        chain: &Chain,
        now: SystemTime,
    ) -> Result<Advanced, BundleRefused> {
        let mut refused = None;
        let mut found = None;
        let mut pinned: Option<Self> = None;
        for link in chain.links() {
            match read(domain, link) {
                Ok(next) if next.digest() != pin => found = Some(next.digest()),
                Ok(next) if !next.vouches_for(link, now) => refused = Some(next.not_vouched(link)),
                Ok(next) if pinned.as_ref().is_none_or(|held| held.sequence() < next.sequence()) => pinned = Some(next),
                Ok(_) => {}
                Err(error) => refused = Some(error),
            }
        }
        match (pinned, refused) {
            (Some(pinned), _) => Ok(pinned.advance_all(chain, now)),
            (None, Some(refused)) => Err(refused),
            (None, None) => Err(BundleRefused::NotPinned { domain: domain.clone(), pin, found }),
        }
    }

    /// Takes back what was held before, from where only we can write. Nothing is verified but its form.
    pub fn restore(domain: TrustDomain, document: Vec<u8>) -> Result<Self, BundleRefused> {
        let read = Document::read(domain.clone(), &document)?;
        if read.sequence.is_none() {
            return Err(BundleRefused::NoSequence(domain));
        }
        Ok(Self { bundle: read.bundle, document })
    }

    /// The bundle held from now on, if this one can be believed. The same one once more changes nothing.
    pub fn advance(&self, next: &SignedBundle, now: SystemTime) -> Result<Self, BundleRefused> {
        let domain = self.trust_domain();
        let candidate = read(domain, next)?;
        if candidate.document == self.document {
            return Ok(self.clone());
        }
        let (held, given) = (self.sequence(), candidate.sequence());
        if given < held {
            return Err(BundleRefused::Rollback { domain: domain.clone(), held, given });
        }
        if !self.vouches_for(next, now) {
            return Err(self.not_vouched(next));
        }
        // Only now: without a signature it wouldn't be the mesh's doing.
        if given == held {
            return Err(BundleRefused::Equivocation { domain: domain.clone(), sequence: given });
        }
        Ok(candidate)
    }

    /// The same for a chain, by whichever of its links can be believed. That it begins in the past is no fault, but that all of it is.
    pub fn advance_all(&self, chain: &Chain, now: SystemTime) -> Advanced {
        let domain = self.trust_domain();
        let mut refused = None;
        let mut links = Vec::new();
        for link in chain.links() {
            match read(domain, link) {
                Ok(candidate) => links.push((candidate.sequence(), link)),
                Err(error) => drop(refused.get_or_insert(error)),
            }
        }
        links.sort_by_key(|(sequence, _)| *sequence);
        let newest = links.last().map_or(u64::MAX, |(sequence, _)| *sequence);
        if newest < self.sequence() {
            let rollback = BundleRefused::Rollback { domain: domain.clone(), held: self.sequence(), given: newest };
            refused.get_or_insert(rollback);
        }
        let mut held = self.clone();
        for (sequence, link) in links {
            if sequence < held.sequence() {
                continue;
            }
            match held.advance(link, now) {
                Ok(next) => held = next,
                Err(error) => drop(refused.get_or_insert(error)),
            }
        }
        Advanced { held, refused }
    }

    /// Whose it is.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.bundle.trust_domain
    }

    /// The roots, for a [`TrustStore`].
    ///
    /// [`TrustStore`]: crate::TrustStore
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The document, as it was signed: to be kept, and given to [`HeldBundle::restore`].
    pub fn document(&self) -> &[u8] {
        &self.document
    }

    /// Its sequence.
    pub fn sequence(&self) -> u64 {
        self.bundle.sequence
    }

    /// Its digest.
    pub fn digest(&self) -> BundleDigest {
        BundleDigest::of(&self.bundle)
    }

    /// Has a root of this bundle signed that one?
    ///
    /// An expired root vouches for bundles as little as for leaves: the end of its validity is the end of what a stolen key is
    /// good for. A peer that was away from before its mesh's last root began until that root's end has to be invited anew.
    fn vouches_for(&self, next: &SignedBundle, now: SystemTime) -> bool {
        let counts = |root: &_| {
            let (from, until) = leaf::parse(root).map_or((UNIX_EPOCH, UNIX_EPOCH), |cert| validity(&cert));
            (from..=until).contains(&now)
        };
        next.vouched_by(&self.bundle.roots, counts)
    }

    fn not_vouched(&self, next: &SignedBundle) -> BundleRefused {
        let (domain, held) = (self.trust_domain().clone(), self.sequence());
        if next.vouched_by(&self.bundle.roots, |_| true) {
            BundleRefused::RootNotValidNow { domain, held }
        } else {
            BundleRefused::NotVouched { domain, held }
        }
    }
}

/// The bundle in a signed one, if its form is right. Nothing is verified.
fn read(domain: &TrustDomain, signed: &SignedBundle) -> Result<HeldBundle, BundleRefused> {
    signed.check_size()?;
    if signed.trust_domain != *domain {
        return Err(BundleRefused::OtherDomain { domain: domain.clone(), given: signed.trust_domain.clone() });
    }
    HeldBundle::restore(domain.clone(), signed.document.clone())
}

impl fmt::Debug for HeldBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeldBundle({}, sequence {}, {})", self.trust_domain(), self.sequence(), self.digest())
    }
}

#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;
