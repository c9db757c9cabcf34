//! What the clusters of this mesh hand to each other: the state of its roots, from the first to the others.

use std::sync::Arc;

use isthmus_federation::member::Custody;

use super::Lead;
use crate::{
    ca::{self, NotOpened, Role, Sender},
    federation::offer,
};

impl Lead<'_> {
    fn role(&self) -> Role {
        Role::of(&self.own.mesh, self.outlook.mesh.as_ref().map(|mesh| &mesh.content))
    }

    /// For the others, if there are any that follow.
    pub(super) fn custody(&mut self) -> Option<Custody> {
        let others = matches!(self.role(), Role::First { others } if !others.is_empty());
        let cluster = offer::cluster(self.own, &self.outlook).filter(|_| others)?;
        let roots = self.parts.roots.borrow().clone();
        let sequence = roots.rotation.sequence;
        // Closed once: it is another text each time.
        if self.closed.as_ref().is_none_or(|closed| closed.sequence != sequence) {
            let sender = Sender { mesh: &self.own.mesh, cluster: &cluster };
            let closed = ca::close(&self.parts.names, &roots, sender)?;
            self.closed = Some(Custody { sequence, closed: closed.into() });
        }
        self.closed.clone()
    }

    /// Hands on what the first cluster has sent, if it is newer than what is in use.
    pub(super) async fn follow(&mut self) {
        let Role::Follower { first } = self.role() else { return };
        let Some(custody) = self.session.custody.get(&first) else { return };
        let (present, sequence) = (self.parts.roots.borrow().clone(), custody.sequence);
        let given = self.parts.others.given.borrow().as_ref().map_or(0, |given| given.rotation.sequence);
        if sequence <= present.rotation.sequence.max(given).max(self.unopened) {
            return;
        }
        let sender = Sender { mesh: &self.own.mesh, cluster: &first };
        match ca::open(&self.parts.names, &present, sender, sequence, &custody.closed) {
            Ok(roots) => drop(self.parts.others.given.send_replace(Some(Arc::new(roots)))),
            Err(why) => {
                self.unopened = sequence;
                self.refused(&why).await;
            }
        }
    }

    async fn refused(&self, why: &NotOpened) {
        tracing::error!(%why, "the state of the mesh's roots wasn't taken");
        self.tell(None, &format!("roots of the mesh's first cluster: {why}")).await;
    }
}
