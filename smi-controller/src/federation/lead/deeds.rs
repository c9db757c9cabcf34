//! What events ask for.

use std::time::{Duration, Instant};

use isthmus_core::{federation::MeshName, id::ObjectName};
use isthmus_federation::{invitation::InvitationId, member::InvitationState};
use isthmus_identity::BundleDigest;
use isthmus_k8s::federation::{
    MeshPeer, MeshPeerSpec,
    invitation::{State, TO, secret_name},
};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::Lead;
use crate::{
    fault::{Fault, Kind, ObjectRef, Reason},
    federation::{
        invitations::{self, Mark},
        session::Deed,
    },
    status,
};

/// How often a refusal of one kind is told of a peer.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// What is refused, as the metric has it: the hub's own words are not a label.
const COUNTED: [&str; 5] = ["acknowledgement", "bundle", "catalog", "heartbeat", "introduction"];

impl Lead<'_> {
    /// Does what has come up, until something can't be done yet.
    pub(super) async fn do_deeds(&mut self) {
        while let Some(deed) = self.deeds.front().cloned() {
            if let Err(error) = self.act(deed).await {
                tracing::warn!(%error, "couldn't write what the hub has brought: trying again");
                return;
            }
            self.deeds.pop_front();
        }
    }

    async fn act(&mut self, deed: Deed) -> Result<(), kube::Error> {
        match deed {
            Deed::Introduce { invitation, mesh, trust_domain, bundle } => {
                let mark = self.introduce(invitation, &mesh, trust_domain, bundle).await?;
                self.invitations.remove(&invitation);
                invitations::mark(&self.secrets, &secret_name(&invitation.to_string()), &mark).await
            }
            Deed::Mark(invitation, state) => {
                let mark = match state {
                    InvitationState::Announced => Mark::state(State::Announced),
                    InvitationState::Expired => Mark::state(State::Expired),
                    InvitationState::Unknown => {
                        Mark::hindered("the hub doesn't know this invitation: it is announced again")
                    }
                    // Who has used it says so itself, and what was withdrawn is no more.
                    InvitationState::Used(_) | InvitationState::Withdrawn => return Ok(()),
                };
                invitations::mark(&self.secrets, &secret_name(&invitation.to_string()), &mark).await
            }
            Deed::Tell { peer, what, why } => {
                let label = COUNTED.into_iter().find(|counted| *counted == what).unwrap_or("other");
                self.parts.metrics.refused.with_label_values(&[label]).inc();
                if self.may_tell(&peer, label, Instant::now()) {
                    tracing::warn!(peer = peer.as_ref().map(MeshName::as_str), what, why, "not taken from the hub");
                    self.tell(peer, &format!("{what}: {why}")).await;
                }
                Ok(())
            }
        }
    }

    /// Whoever holds the hub can send what isn't taken as fast as it likes: of each kind that is told so often at most.
    fn may_tell(&mut self, peer: &Option<MeshName>, label: &'static str, now: Instant) -> bool {
        self.refusals.retain(|_, told| now.saturating_duration_since(*told) < TELL_EVERY);
        let news = !self.refusals.contains_key(&(peer.clone(), label));
        if news {
            self.refusals.insert((peer.clone(), label), now);
        }
        news
    }

    /// Raises an Event where the user looks. It is a courtesy: failing costs only itself.
    pub(super) async fn tell(&self, peer: Option<MeshName>, why: &str) {
        let peer = peer.and_then(|mesh| self.outlook.peers.get(&mesh));
        let (kind, object) = match (peer, &self.outlook.mesh) {
            (Some(peer), _) => (Kind::MeshPeer, (&peer.name, &peer.uid)),
            (None, Some(mesh)) => (Kind::Mesh, (&mesh.name, &mesh.uid)),
            (None, None) => return,
        };
        let (name, uid): (&ObjectName, _) = object;
        let object = ObjectRef { kind, name: name.clone() };
        let fault = Fault::partly(Reason::NotTaken, format!("not taken from the hub: {why}"));
        if let Err(error) = status::raise(&self.parts.client, &object, uid, fault).await {
            tracing::warn!(%error, %object, "couldn't raise an Event");
        }
    }

    /// Makes a peer of a mesh that has used an invitation of ours, and says what the invitation's Secret is to say.
    async fn introduce(
        &self,
        invitation: InvitationId,
        mesh: &MeshName,
        trust_domain: String,
        bundle: BundleDigest,
    ) -> Result<Mark, kube::Error> {
        let name = secret_name(&invitation.to_string());
        let secret = self.secrets.get_opt(&name).await?;
        let only = secret.as_ref().and_then(|secret| secret.annotations().get(TO));
        if let Some(only) = only.filter(|only| *only != mesh.as_str()) {
            return Ok(Mark::refused(format!("it was for {only}, and {mesh} has used it: nothing was agreed")));
        }
        let api: Api<MeshPeer> = Api::all(self.parts.client.clone());
        let digest = bundle.to_string();
        match api.get_opt(mesh.as_str()).await? {
            None => {
                let (bundle_digest, invitation) = (Some(digest), Some(name));
                let spec =
                    MeshPeerSpec { trust_domain, bundle_digest, invitation, flat_network: None, bundle_endpoint: None };
                api.create(&PostParams::default(), &MeshPeer::new(mesh.as_str(), spec)).await?;
            }
            Some(known) if known.spec.trust_domain != trust_domain => {
                return Ok(Mark::refused(format!(
                    "MeshPeer {mesh} is there with trust domain {}, and the mesh that has used the invitation has \
                     {trust_domain}: revoke the peer, and invite anew",
                    known.spec.trust_domain
                )));
            }
            // What has been trusted since leads to newer bundles by itself.
            Some(known) if known.status.as_ref().is_some_and(|status| status.bundle.is_some()) => {}
            Some(known) if known.spec.bundle_digest.as_ref().is_some_and(|given| *given != digest) => {
                return Ok(Mark::refused(format!(
                    "MeshPeer {mesh} is there with another spec.bundleDigest: revoke the peer, and invite anew"
                )));
            }
            Some(_) => {
                let patch = Patch::Merge(json!({"spec": {"bundleDigest": digest, "invitation": name}}));
                api.patch(mesh.as_str(), &PatchParams::default(), &patch).await?;
            }
        }
        Ok(Mark::used_by(mesh.as_str()))
    }

    /// Marks an invitation's Secret; it is looked at again if that fails.
    pub(super) async fn mark(&self, name: &str, mark: &Mark) {
        if let Err(error) = invitations::mark(&self.secrets, name, mark).await {
            tracing::warn!(%error, secret = name, "couldn't say what became of an invitation: trying again");
        }
    }
}
