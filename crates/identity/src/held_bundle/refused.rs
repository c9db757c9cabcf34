//! Why a bundle isn't believed.

use isthmus_core::id::TrustDomain;

use crate::{bundle_digest::BundleDigest, bundle_document::BadDocument};

/// Why a bundle of another mesh isn't believed. What was held stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleRefused {
    /// It is signed as that of another trust domain.
    #[error("a bundle of {given} came as that of {domain}")]
    OtherDomain {
        /// The domain in question.
        domain: TrustDomain,
        /// Whose bundle came.
        given: TrustDomain,
    },
    /// More than is ever read.
    #[error("bundle of {domain}: {found} {what}; at most {limit} are allowed")]
    Oversized {
        /// Whose bundle.
        domain: TrustDomain,
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: usize,
        /// How much is allowed.
        limit: usize,
    },
    /// The document can't be read, or its roots make no bundle.
    #[error(transparent)]
    Document(#[from] BadDocument),
    /// Without a sequence nobody could tell an old bundle from a new one.
    #[error("bundle document of {0} has no spiffe_sequence")]
    NoSequence(TrustDomain),
    /// No bundle has the digest that the invitation named.
    #[error(
        "no bundle of {domain} has the digest {pin}, {}; have a new invitation made if its roots were rotated since, \
         else somebody between the meshes has put in a bundle of their own",
        found.map_or_else(|| "there are none".to_owned(), |found| format!("the newest has {found}"))
    )]
    NotPinned {
        /// Whose bundle.
        domain: TrustDomain,
        /// The digest wanted.
        pin: BundleDigest,
        /// The digest of the newest.
        found: Option<BundleDigest>,
    },
    /// It is older than the one held.
    #[error("bundle of {domain} has sequence {given}, but {held} is held; the newer one stays")]
    Rollback {
        /// Whose bundle.
        domain: TrustDomain,
        /// The sequence held.
        held: u64,
        /// The sequence given.
        given: u64,
    },
    /// The mesh has signed two bundles of one sequence: a root's key is in two hands.
    #[error(
        "two different bundles of {domain} have sequence {sequence}, both signed by its roots; find out who else has a \
         root's key, and rotate the root"
    )]
    Equivocation {
        /// Whose bundle.
        domain: TrustDomain,
        /// The sequence of both.
        sequence: u64,
    },
    /// No root of the bundle held has signed it.
    #[error(
        "no root of the bundle of {domain} that is held (sequence {held}) has signed this one; if its roots were replaced at \
         once, compare digests with its operators and join anew"
    )]
    NotVouched {
        /// Whose bundle.
        domain: TrustDomain,
        /// The sequence held.
        held: u64,
    },
    /// Roots of the bundle held have signed it, and none of them is valid at this time.
    #[error(
        "the roots of {domain} that are held (sequence {held}) and have signed this bundle are not valid by this clock; \
         compare digests with its operators and join anew"
    )]
    RootNotValidNow {
        /// Whose bundle.
        domain: TrustDomain,
        /// The sequence held.
        held: u64,
    },
}
