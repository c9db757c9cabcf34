//! Where the hub keeps who has joined and which invitations there are: what members can't say again.

use std::{collections::BTreeMap, future::Future, sync::Arc};

use isthmus_core::federation::MeshName;
use parking_lot::Mutex;

use super::state::{MemberRecord, Stored};
use crate::{invitation::InvitationId, names::Cluster};

/// Something couldn't be kept or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Somebody else has changed it meanwhile: look again.
    #[error("{0} was changed by another")]
    Changed(String),
    /// There is no way to the store, or it refused.
    #[error("{what}: {why}")]
    Unavailable {
        /// What was to be kept or read.
        what: String,
        /// What the store says.
        why: String,
    },
}

/// What was kept.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// Members.
    pub members: Vec<MemberRecord>,
    /// Invitations.
    pub invitations: BTreeMap<InvitationId, Stored>,
}

/// Keeps the hub's records.
pub trait Store: Send + Sync + 'static {
    /// Everything. What can't be read is left out, and said in the log.
    fn load(&self) -> impl Future<Output = Result<Kept, StoreError>> + Send;
    /// Keeps a member, as it is now, and says which of its clusters are connected.
    fn save(
        &self,
        member: MemberRecord,
        connected: Vec<Cluster>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Keeps an invitation, as it is now.
    fn put(&self, id: InvitationId, invitation: Stored) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Keeps that an invitation is used: in one step, and only if nobody has used it.
    fn redeem(&self, id: InvitationId, invitation: Stored) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Forgets an invitation of this mesh.
    fn forget(&self, inviter: &MeshName, id: InvitationId) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Waits for a member to be put out by whoever owns the store.
    fn revoked(&self) -> impl Future<Output = MeshName> + Send;
}

/// Keeps them in memory: for tests. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    members: Mutex<BTreeMap<MeshName, MemberRecord>>,
    invitations: Mutex<BTreeMap<InvitationId, Stored>>,
    out: Mutex<Vec<MeshName>>,
    woken: tokio::sync::Notify,
}

impl Memory {
    /// Puts a member out.
    pub fn revoke(&self, mesh: &MeshName) {
        self.0.members.lock().remove(mesh);
        self.0.out.lock().push(mesh.clone());
        self.0.woken.notify_one();
    }
}

impl Store for Memory {
    async fn load(&self) -> Result<Kept, StoreError> {
        let members = self.0.members.lock().values().cloned().collect();
        Ok(Kept { members, invitations: self.0.invitations.lock().clone() })
    }

    async fn save(&self, member: MemberRecord, _: Vec<Cluster>) -> Result<(), StoreError> {
        self.0.members.lock().insert(member.mesh.clone(), member);
        Ok(())
    }

    async fn put(&self, id: InvitationId, invitation: Stored) -> Result<(), StoreError> {
        self.0.invitations.lock().insert(id, invitation);
        Ok(())
    }

    async fn redeem(&self, id: InvitationId, invitation: Stored) -> Result<(), StoreError> {
        let mut invitations = self.0.invitations.lock();
        match invitations.get_mut(&id).filter(|kept| kept.record.used_by.is_none()) {
            Some(kept) => *kept = invitation,
            None => return Err(StoreError::Changed(format!("invitation {id}"))),
        }
        Ok(())
    }

    async fn forget(&self, _: &MeshName, id: InvitationId) -> Result<(), StoreError> {
        self.0.invitations.lock().remove(&id);
        Ok(())
    }

    async fn revoked(&self) -> MeshName {
        loop {
            let woken = self.0.woken.notified();
            if let Some(mesh) = self.0.out.lock().pop() {
                return mesh;
            }
            woken.await;
        }
    }
}
