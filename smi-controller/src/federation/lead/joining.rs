//! Taking up invitations of other meshes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use isthmus_federation::{
    invitation::InvitationId,
    member::{self, JoinError, Joined, Joiner},
};
use isthmus_k8s::federation::{
    MeshPeer, MeshPeerSpec,
    invitation::{Side, State},
};
use kube::{Api, api::PostParams};
use tokio::task::JoinSet;

use super::Lead;
use crate::federation::{
    invitations::{Mark, Open},
    offer,
};

/// Pause before an invitation is tried once more.
const AGAIN: Duration = Duration::from_secs(2);

/// How an attempt went.
pub(super) type Attempt = (Open, Result<Joined, JoinError>);

/// Attempts that are going on, each in a task of its own: a hub may take its time to answer.
#[derive(Default)]
pub(super) struct Joining {
    attempts: JoinSet<Attempt>,
    going_on: BTreeSet<InvitationId>,
    again: BTreeMap<InvitationId, Instant>,
}

impl Joining {
    /// The next one that is over. It never ends without any.
    pub(super) async fn next(&mut self) -> Attempt {
        loop {
            match self.attempts.join_next().await {
                Some(Ok(attempt)) => {
                    self.going_on.remove(&attempt.0.id());
                    return attempt;
                }
                // It broke: what is going on can't be told from it, so everything may be tried anew.
                Some(Err(error)) => {
                    tracing::error!(%error, "an attempt to join broke");
                    self.going_on.clear();
                }
                None => std::future::pending().await,
            }
        }
    }
}

impl Lead<'_> {
    /// Begins to take up those that nobody has taken up yet.
    pub(super) fn take_up(&mut self, now: Instant) {
        let Some(cluster) = offer::cluster(self.own, &self.outlook) else { return };
        let Some(svid) = self.parts.svid.get() else { return };
        let joiner = Joiner {
            mesh: self.own.mesh.clone(),
            cluster,
            trust_domain: self.own.trust_domain.clone(),
            chain: self.parts.roots.borrow().chain().clone(),
            svid,
        };
        let Self { invitations, joining, .. } = self;
        joining.again.retain(|id, _| invitations.contains_key(id));
        for (id, open) in invitations.iter().filter(|(_, open)| open.side == Side::Joiner) {
            let due = joining.again.get(id).is_none_or(|at| *at <= now);
            if due && joining.going_on.insert(*id) {
                let (open, joiner) = (open.clone(), joiner.clone());
                joining.attempts.spawn(async move {
                    let result = member::join(&open.invitation, &joiner).await;
                    (open, result)
                });
            }
        }
    }

    /// An attempt is over.
    pub(super) async fn joined(&mut self, (open, result): Attempt) {
        let mark = match result {
            Ok(joined) => match self.keep(&open, joined).await {
                Ok(()) => Mark::state(State::Used),
                Err(error) => Mark::hindered(format!("what was agreed couldn't be kept: {error}")),
            },
            Err(error) if error.may_pass() => Mark::hindered(error),
            Err(error) => Mark::refused(error),
        };
        if mark.state.is_none() {
            self.joining.again.insert(open.id(), Instant::now() + AGAIN);
        } else {
            self.invitations.remove(&open.id());
        }
        if !open.says(&mark) {
            self.mark(&open.name, &mark).await;
        }
    }

    /// Keeps what a join has brought, before the invitation is said to be used.
    async fn keep(&mut self, open: &Open, joined: Joined) -> Result<(), kube::Error> {
        tracing::info!(inviter = %joined.inviter, hub = %joined.hub.identity, "joined by an invitation");
        if *joined.hub.identity.trust_domain() != self.own.trust_domain {
            self.session.hub_bundle = Some(joined.hub.held);
            self.write_mesh(self.member.is_some()).await?;
        }
        let spec = MeshPeerSpec {
            trust_domain: joined.peer.trust_domain.to_string(),
            bundle_digest: joined.peer.pin.map(|pin| pin.to_string()),
            invitation: Some(open.name.clone()),
            flat_network: None,
            bundle_endpoint: None,
        };
        let peer = MeshPeer::new(joined.inviter.as_str(), spec);
        match Api::all(self.parts.client.clone()).create(&PostParams::default(), &peer).await {
            // The command that has written the Secret has written it too.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            other => other.map(drop),
        }
    }
}
