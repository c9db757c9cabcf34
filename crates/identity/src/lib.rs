//! SPIFFE identities: CA, SVIDs, trust bundles and the rustls verifiers bound to trust domains (design §6).
//!
//! The one rule: **roots are bound to a trust domain**. A verifier reads the peer's SPIFFE ID first, takes the
//! roots of the domain that it names, and no others; a root of A can't vouch for an ID of B.
//!
//! - [`Authority`] signs leaves; [`Keypair`] makes the key and the request; [`Svid`] is the two together.
//! - [`TrustStore`] and [`SvidCell`] are swapped while connections go on; [`MeshTls`] makes rustls configurations
//!   that read both at every handshake.
//!
//! TLS 1.3 only, by aws-lc-rs, with X25519MLKEM768 preferred. There is no session resumption: a ticket would carry
//! a decision taken under older roots past a change of them.

mod authority;
mod bundle;
mod keypair;
mod leaf;
mod refused;
pub mod renewal;
mod rotation;
mod secret;
mod svid;
mod tls;
mod trust;
mod verify;

pub use authority::{Authority, AuthorityError, AuthorityPem, BACKDATE, DEFAULT_LEAF_LIFETIME, Issued, MAX_CSR};
pub use bundle::{BadBundle, Bundle, MAX_DOMAINS, MAX_ROOT, MAX_ROOTS};
pub use keypair::{Keypair, KeypairError};
pub use leaf::peer_id;
pub use refused::Refused;
pub use rotation::{ABSENCE_SLACK, Census, Duty, Facts, Phase, RootId, Rotation, SETTLE, Standing, Step, Waiting};
pub use secret::SecretText;
pub use svid::{BadSvid, Svid, SvidCell};
pub use tls::{ClientCerts, MeshTls, crypto_provider};
pub use trust::TrustStore;
pub use verify::ExpectedPeer;

#[cfg(test)]
mod attacks;
