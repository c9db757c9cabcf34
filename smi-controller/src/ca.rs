//! The mesh's roots.
//!
//! Two Secrets: `isthmus-ca` holds the root that the mesh is to have, and is the user's (it is made if there is none);
//! `isthmus-trust` holds the roots in use and where a rotation is, and is ours. When the first differs from the second, the root
//! is rotated, one phase after another: see [`isthmus_identity::Rotation`]. Of a mesh of several clusters the first one does
//! that, and the others take over what it has come to: see [`Role`].

mod between;
mod carried;
mod census;
mod keeper;
mod kept;
mod metrics;
mod published;
mod role;
mod roots;
mod stored;
mod telling;
mod wanted;

use std::time::Duration;

use isthmus_core::id::{ObjectName, TrustDomain};
use isthmus_identity::{AuthorityError, BadBundle, SignFailed};

pub(crate) use between::{SpeakerEnd, between};
pub(crate) use carried::{NotOpened, Sender, close, open};
pub(crate) use keeper::{Keeper, Parts};
pub(crate) use metrics::TrustMetrics;
pub(crate) use published::publish;
pub use published::{ENTRY as PUBLISHED_ROOTS_ENTRY, NAME as PUBLISHED_ROOTS};
pub(crate) use role::{Role, Sibling, Siblings};
pub(crate) use roots::{Roots, SharedRoots};
pub(crate) use stored::load;

/// How long a root that we make lives: ten years.
const ROOT_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The Secrets, and what they are for.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// The root that the mesh is to have.
    pub(crate) wanted: ObjectName,
    /// The roots in use.
    pub(crate) stored: ObjectName,
    /// Whose roots.
    pub(crate) domain: TrustDomain,
}

/// Why there is no root.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The API server can't be asked, or refuses.
    #[error("Secret {secret}: {cause}")]
    Kubernetes {
        /// The Secret.
        secret: ObjectName,
        /// What the API server says.
        cause: Box<kube::Error>,
    },
    /// The Secret is there, but isn't a root.
    #[error("Secret {secret}: {cause}")]
    Unusable {
        /// The Secret.
        secret: ObjectName,
        /// What is wrong with it.
        cause: AuthorityError,
    },
    /// The Secret has no such entry, or one that isn't text.
    #[error("Secret {secret} has no readable {entry}: give it PEM, or delete the Secret to have a new root made")]
    Missing {
        /// The Secret.
        secret: ObjectName,
        /// `tls.crt` or `tls.key`.
        entry: &'static str,
    },
    /// The state of the roots can't be read.
    #[error("Secret {secret}: entry {entry} {fault}; delete the Secret to begin anew with the root of isthmus-ca")]
    BadState {
        /// The Secret.
        secret: ObjectName,
        /// Which entry.
        entry: &'static str,
        /// What is wrong with it.
        fault: String,
    },
    /// The bundle can't be signed.
    #[error("the mesh's bundle: {0}")]
    Unsigned(#[from] SignFailed),
    /// The system gives no random bytes.
    #[error("the system has no randomness to make a key of: see that /dev/urandom can be read")]
    NoRandomness,
    /// The roots can't be trusted.
    #[error("the mesh's roots: {0}")]
    Roots(#[from] BadBundle),
}

impl CaError {
    fn kubernetes(secret: &ObjectName) -> impl Fn(kube::Error) -> Self + Copy + '_ {
        |cause| Self::Kubernetes { secret: secret.clone(), cause: Box::new(cause) }
    }

    fn unusable(secret: &ObjectName) -> impl Fn(AuthorityError) -> Self + Copy + '_ {
        |cause| Self::Unusable { secret: secret.clone(), cause }
    }
}
