//! Invitations: one copyable text that lets one mesh join, once, and only until it expires.
//!
//! It carries the digests by which the joiner knows the hub and the inviter whoever carries their bundles, and a secret
//! of which two others are derived. The **hub secret** proves to the hub, which knows its hash alone, that the joiner
//! holds the text. The **peer secret** never leaves the two meshes: with it the joiner vouches to the inviter for its own
//! name and bundle, so that a hub can't put another mesh, or another bundle, in the joiner's place.

mod record;
mod secret;
mod text;

use std::{fmt, str::FromStr, sync::Arc, time::SystemTime};

use isthmus_api::federation::v1 as proto;
use isthmus_core::{
    federation::MeshName,
    id::{SpiffeId, TrustDomain},
};
use isthmus_identity::BundleDigest;

pub use record::{NotRedeemed, Record, Redeemed};
pub use secret::{HubSecret, HubSecretHash, MAC_BYTES, PeerSecret, RandomFailed};
pub use text::{BadInvitation, PREFIX};

use secret::Secret;

/// Names an invitation: random, and no secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvitationId([u8; 16]);

/// What an invitation says of the hub and of who invites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Where the hub is, `host:port` each.
    pub hub: Vec<Arc<str>>,
    /// The SPIFFE ID that the hub must show.
    pub hub_identity: SpiffeId,
    /// The bundle of the hub's mesh.
    pub hub_bundle: BundleDigest,
    /// Who invites.
    pub mesh: MeshName,
    /// The inviter's trust domain.
    pub trust_domain: TrustDomain,
    /// The inviter's bundle.
    pub bundle: BundleDigest,
    /// The first moment at which it isn't taken any more, Unix seconds.
    pub expires: i64,
}

/// An invitation. [`Invitation::to_text`] is the secret as it is handed on.
pub struct Invitation {
    /// Its name.
    pub id: InvitationId,
    /// What it says.
    pub terms: Terms,
    secret: Secret,
}

impl Invitation {
    /// Makes one with a fresh secret.
    pub fn generate(terms: Terms) -> Result<Self, RandomFailed> {
        Ok(Self { id: InvitationId(secret::random()?), terms, secret: Secret::generate()? })
    }

    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, BadInvitation> {
        text::parse(text)
    }

    /// The text: for the Secret that keeps it and for who is invited, never for a log.
    pub fn to_text(&self) -> isthmus_identity::SecretText {
        text::write(self)
    }

    /// Is it over?
    pub fn has_expired(&self, now: SystemTime) -> bool {
        crate::catalog::receive::unix(now) >= self.terms.expires
    }

    /// The same, as an error that says when it ended.
    pub fn check_time(&self, now: SystemTime) -> Result<(), BadInvitation> {
        let now = crate::catalog::receive::unix(now);
        if now < self.terms.expires { Ok(()) } else { Err(BadInvitation::Expired { ended: self.terms.expires, now }) }
    }

    /// What proves to the hub that the text is held.
    pub fn hub_secret(&self) -> HubSecret {
        self.secret.hub(self.id)
    }

    /// What the joiner and the inviter vouch to each other with.
    pub fn peer_secret(&self) -> PeerSecret {
        self.secret.peer(self.id)
    }

    /// What the inviter tells the hub of it.
    pub fn announcement(&self) -> proto::Invite {
        proto::Invite {
            invitation: self.id.to_bytes().into(),
            hub_secret_hash: self.hub_secret().hash().as_bytes().to_vec().into(),
            expires: self.terms.expires,
        }
    }
}

impl InvitationId {
    /// Reads the wire's form; `None`: not 16 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The wire's form.
    pub fn to_bytes(self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl FromStr for InvitationId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = || BadId(text.chars().take(40).collect());
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad());
        }
        u128::from_str_radix(text, 16).map(|number| Self(number.to_be_bytes())).map_err(|_| bad())
    }
}

/// The text isn't an invitation's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invitation id {0:?} must be 32 hexadecimal digits")]
pub struct BadId(String);

impl fmt::Display for InvitationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for InvitationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation").field("id", &self.id).field("terms", &self.terms).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
