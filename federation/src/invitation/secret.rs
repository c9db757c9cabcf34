//! The secret of an invitation, and the two that are derived of it.

use std::fmt;

use aws_lc_rs::{
    constant_time, digest, hmac,
    rand::{self, SystemRandom},
};
use zeroize::Zeroizing;

use super::InvitationId;

/// Bytes of every secret here.
pub(super) const SECRET_BYTES: usize = 32;
/// Bytes of a [`PeerSecret::mac`].
pub const MAC_BYTES: usize = 32;
const SALT: &[u8] = b"isthmus invitation v1";

/// The system gives no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system's random generator failed")]
pub struct RandomFailed;

/// What an invitation's text carries.
pub(super) struct Secret(Zeroizing<[u8; SECRET_BYTES]>);

/// Shown to the hub, once.
pub struct HubSecret(Zeroizing<[u8; SECRET_BYTES]>);

/// All that the hub knows of it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HubSecretHash([u8; 32]);

/// Known to the joiner and the inviter alone.
pub struct PeerSecret(Zeroizing<[u8; SECRET_BYTES]>);

pub(super) fn random<const N: usize>() -> Result<[u8; N], RandomFailed> {
    let mut bytes = [0; N];
    rand::SecureRandom::fill(&SystemRandom::new(), &mut bytes).map_err(|_| RandomFailed)?;
    Ok(bytes)
}

impl Secret {
    pub(super) fn generate() -> Result<Self, RandomFailed> {
        random().map(Zeroizing::new).map(Self)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Zeroizing::new).map(Self)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    pub(super) fn hub(&self, id: InvitationId) -> HubSecret {
        HubSecret(self.derive(b"hub", id))
    }

    pub(super) fn peer(&self, id: InvitationId) -> PeerSecret {
        PeerSecret(self.derive(b"peer", id))
    }

    /// HKDF (RFC 5869) with SHA-256, for the one block that is needed: written out, for so it can't fail.
    fn derive(&self, purpose: &[u8], id: InvitationId) -> Zeroizing<[u8; SECRET_BYTES]> {
        let extracted = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SALT), self.0.as_slice());
        let mut expand = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, extracted.as_ref()));
        [purpose, &id.0, &[1]].into_iter().for_each(|part| expand.update(part));
        let mut derived = Zeroizing::new([0; SECRET_BYTES]);
        derived.iter_mut().zip(expand.sign().as_ref()).for_each(|(to, from)| *to = *from);
        derived
    }
}

impl HubSecret {
    /// What the hub compares.
    pub fn hash(&self) -> HubSecretHash {
        HubSecretHash::of(self.0.as_slice())
    }

    /// For the request to join alone.
    pub fn expose(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl HubSecretHash {
    /// The hash of what a joiner has shown.
    pub fn of(secret: &[u8]) -> Self {
        let mut bytes = [0; 32];
        let hash = digest::digest(&digest::SHA256, secret);
        bytes.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
        Self(bytes)
    }

    /// Reads one; `None`: not 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Is this the secret?
    pub fn admits(&self, secret: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &Self::of(secret).0).is_ok()
    }
}

impl PeerSecret {
    /// Vouches for an introduction.
    pub fn mac(&self, introduction: &[u8]) -> Vec<u8> {
        hmac::sign(&self.key(), introduction).as_ref().to_vec()
    }

    /// Was it vouched for?
    pub fn verify(&self, introduction: &[u8], mac: &[u8]) -> bool {
        hmac::verify(&self.key(), introduction, mac).is_ok()
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice())
    }
}

macro_rules! hidden {
    ($($type:ident),*) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($type), "([secret])"))
            }
        }
    )*};
}
hidden!(Secret, HubSecret, PeerSecret);

#[cfg(test)]
mod tests {
    use aws_lc_rs::hkdf;

    use super::*;

    #[test]
    fn the_secrets_are_derived_by_hkdf() {
        let (secret, id) = (Secret::generate().unwrap(), InvitationId([7; 16]));
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(secret.as_bytes());
        let mut expected = [0; SECRET_BYTES];
        extracted.expand(&[b"hub", &id.0], hkdf::HKDF_SHA256).unwrap().fill(&mut expected).unwrap();
        assert_eq!(secret.hub(id).expose(), expected);
        assert_ne!(secret.peer(id).0.as_slice(), expected);
        assert_ne!(secret.hub(InvitationId([8; 16])).expose(), expected);
    }
}
