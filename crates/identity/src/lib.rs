//! SPIFFE identities: CA, SVIDs, trust bundles and the rustls verifiers bound to trust domains (design §6).
//!
//! The one rule: **roots are bound to a trust domain**. A verifier reads the peer's SPIFFE ID first, takes the
//! roots of the domain that it names, and no others; a root of A can't vouch for an ID of B.
//!
//! - [`Authority`] signs leaves; [`Keypair`] makes the key and the request; [`Svid`] is the two together.
//! - [`TrustStore`] and [`SvidCell`] are swapped while connections go on; [`MeshTls`] makes rustls configurations
//!   that read both at every handshake.
//! - Between meshes: a [`Document`] is a bundle as SPIFFE writes it, a [`SignedBundle`] is one that the mesh's own roots
//!   vouch for, and a [`HeldBundle`] follows a peer's chain of them; [`Sealed`] is a message that an SVID vouches for.
//!
//! TLS 1.3 only, by aws-lc-rs, with X25519MLKEM768 preferred. There is no session resumption: a ticket would carry
//! a decision taken under older roots past a change of them.

mod authority;
mod bundle;
mod bundle_digest;
mod bundle_document;
mod confusable;
mod held_bundle;
mod keypair;
mod leaf;
mod refused;
pub mod renewal;
mod rotation;
mod sealed;
mod secret;
mod signed_bundle;
mod statement;
mod svid;
mod tls;
mod trust;
mod verify;

pub use authority::{Authority, AuthorityError, AuthorityPem, BACKDATE, DEFAULT_LEAF_LIFETIME, Issued, MAX_CSR};
pub use bundle::{BadBundle, Bundle, MAX_DOMAINS, MAX_ROOT, MAX_ROOTS};
pub use bundle_digest::{BadDigest, BundleDigest};
pub use bundle_document::{BadDocument, Document, MAX_DOCUMENT};
pub use confusable::{confusable, likeness, trust_domain_fault};
pub use held_bundle::{Advanced, BundleRefused, HeldBundle};
pub use keypair::{Keypair, KeypairError};
pub use leaf::{peer_id, peer_workload};
pub use refused::Refused;
pub use rotation::{
    ABSENCE_SLACK, Census, Contact, Duty, Facts, PeerStanding, Phase, Propagation, RootId, Rotation, SETTLE, Standing,
    Step, Waiting,
};
pub use sealed::{MAX_PAYLOAD, MAX_SEAL_CHAIN, MAX_SEAL_SIGNATURE, SealFailed, SealRefused, Sealed};
pub use secret::SecretText;
pub use signed_bundle::{
    Chain, MAX_CHAIN_BYTES, MAX_LINKS, MAX_ROOT_SIGNATURE, RootSignature, SignFailed, SignedBundle,
};
pub use svid::{BadSvid, Svid, SvidCell};
pub use tls::{ClientCerts, MeshTls, crypto_provider};
pub use trust::TrustStore;
pub use verify::ExpectedPeer;

#[cfg(test)]
mod attacks;
