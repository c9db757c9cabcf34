//! What the hub keeps of an invitation: announced → used, or over.

use std::time::SystemTime;

use isthmus_core::federation::MeshName;

use super::HubSecretHash;
use crate::catalog::receive::unix;

/// An invitation as the hub keeps it. There is no secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Who invites.
    pub inviter: MeshName,
    /// Whoever shows what has this hash holds the text.
    pub hub_secret_hash: HubSecretHash,
    /// Unix seconds.
    pub expires: i64,
    /// The mesh that has used it.
    pub used_by: Option<MeshName>,
}

/// The invitation is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redeemed {
    /// For the first time: the record is to be kept before anything else is done.
    Now(Record),
    /// The same mesh has used it before: it didn't hear the answer, and gets it again.
    Again,
}

/// Why it isn't taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotRedeemed {
    /// The hub knows no such invitation, or the secret isn't that of this one. Which of the two isn't told.
    #[error("the hub knows no such invitation: it was withdrawn, or the inviter's controller hasn't announced it yet")]
    Unknown,
    /// It is over.
    #[error("the invitation has expired; ask for a new one")]
    Expired,
    /// Somebody else has used it.
    #[error(
        "the invitation has been used, and not by this mesh; ask for a new one, and ask the inviter who has joined"
    )]
    Used,
    /// Nobody joins itself.
    #[error("the invitation is this mesh's own; it is for another mesh")]
    Own,
}

impl Record {
    /// Lets `mesh` use it.
    pub fn redeem(&self, secret: &[u8], mesh: &MeshName, now: SystemTime) -> Result<Redeemed, NotRedeemed> {
        if !self.hub_secret_hash.admits(secret) {
            return Err(NotRedeemed::Unknown);
        }
        if self.inviter == *mesh {
            return Err(NotRedeemed::Own);
        }
        match &self.used_by {
            Some(user) if user == mesh => Ok(Redeemed::Again),
            Some(_) => Err(NotRedeemed::Used),
            None if self.has_expired(now) => Err(NotRedeemed::Expired),
            None => Ok(Redeemed::Now(Self { used_by: Some(mesh.clone()), ..self.clone() })),
        }
    }

    /// Is it over?
    pub fn has_expired(&self, now: SystemTime) -> bool {
        unix(now) >= self.expires
    }
}
