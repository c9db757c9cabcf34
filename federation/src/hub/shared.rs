//! The hub's state as its tasks share it.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use isthmus_api::federation::v1 as proto;
use isthmus_core::{
    federation::MeshName,
    id::{SpiffeId, TrustDomain},
};
use isthmus_identity::TrustStore;
use isthmus_runtime::backoff::{Backoff, jitter};
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    hear::Keep,
    heard::{Heard, Speaker, Turn},
    metrics::Metrics,
    session::SessionId,
    state::{State, Stored},
    store::{Store, StoreError},
};

/// Pauses between attempts to keep a record.
const SAVE_RETRY: Backoff = Backoff { base: Duration::from_millis(200), max: Duration::from_secs(10) };
/// How often what is over is looked for, and gauges are set.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// The state, the store, and who is trusted.
#[derive(Debug)]
pub struct Hub<S> {
    state: Mutex<State>,
    pub(super) store: S,
    /// The roots that clients are verified by: the own mesh's, and every member's.
    roots: Arc<TrustStore>,
    own: TrustDomain,
    /// One mesh joins at a time, so that two can't take one name.
    pub(super) joining: tokio::sync::Mutex<()>,
    unsaved: Notify,
    pub(super) metrics: Metrics,
    heard: Mutex<Heard>,
    began: Instant,
}

impl<S: Store> Hub<S> {
    /// A hub in this mesh, with what its store has. `roots` has those of the own mesh already; the members' are added, and kept.
    pub async fn load(
        own: MeshName,
        trust_domain: TrustDomain,
        store: S,
        roots: Arc<TrustStore>,
        metrics: Metrics,
    ) -> Result<Self, StoreError> {
        let kept = store.load().await?;
        let hub = Self {
            state: Mutex::new(State::new(own, trust_domain.clone(), kept.members, kept.invitations)),
            store,
            roots,
            own: trust_domain,
            joining: tokio::sync::Mutex::new(()),
            unsaved: Notify::new(),
            metrics,
            heard: Mutex::default(),
            began: Instant::now(),
        };
        hub.trust();
        Ok(hub)
    }

    /// The state, for a short, synchronous while.
    pub fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let result = act(&mut state);
        let (tally, roots_changed) = (state.take_tally(), state.take_roots_changed());
        let unsaved = !state.unsaved.is_empty();
        drop(state);
        for (what, count) in tally.refused {
            self.metrics.refused.with_label_values(&[what]).inc_by(count);
        }
        self.metrics.relayed.inc_by(tally.relayed);
        if roots_changed {
            self.trust();
        }
        if unsaved {
            self.unsaved.notify_one();
        }
        result
    }

    /// Trusts the newest bundle of every member, and nobody else. The own mesh's come with the hub's own certificate.
    fn trust(&self) {
        let members: Vec<_> = self.state.lock().members.values().map(|member| member.record.clone()).collect();
        for gone in self.roots.bundles() {
            let domain = gone.trust_domain;
            if domain != self.own && !members.iter().any(|member| member.trust_domain == domain) {
                self.roots.remove(&domain);
            }
        }
        for member in members.iter().filter(|member| member.trust_domain != self.own) {
            let Some(held) = &member.held else { continue };
            if let Err(error) = self.roots.upsert(held.bundle()) {
                tracing::warn!(mesh = %member.mesh, %error, "the roots of a member can't be used: the old ones stay");
            }
        }
    }

    /// Waits for a member's turn to be heard, which has come unless it says too much.
    async fn turn(&self, id: SessionId, who: &Speaker, message: &proto::MemberMessage) {
        let Turn { wait, tell } = self.heard.lock().say(who, message.encoded_len(), self.began.elapsed());
        if wait.is_zero() {
            return;
        }
        self.metrics.slowed.with_label_values(&[who.0.as_str(), who.1.as_str()]).inc();
        if tell {
            tracing::warn!(mesh = %who.0, cluster = %who.1, "a member says more than it may: it is heard later");
            self.with(|state| state.remark(id, "rate", "this cluster says more than it may: the rest is heard later"));
        }
        tokio::time::sleep(wait).await;
    }

    /// A member says something.
    pub(super) async fn hear(&self, id: SessionId, who: &Speaker, message: proto::MemberMessage) {
        self.turn(id, who, &message).await;
        let kept = match self.with(|state| state.hear(id, message, SystemTime::now())) {
            Some(Keep::Invitation(invitation, record)) => {
                let stored = Stored { record: record.clone(), introduced: None };
                let kept = self.store.put(invitation, stored).await;
                if kept.is_ok() {
                    self.with(|state| state.announced(invitation, record));
                }
                kept
            }
            Some(Keep::Used(invitation, stored)) => self.store.put(invitation, stored).await,
            Some(Keep::Forget(invitation)) => self.store.forget(&who.0, invitation).await,
            None => Ok(()),
        };
        if let Err(error) = kept {
            tracing::warn!(%error, "couldn't keep an invitation");
            self.with(|state| {
                state.remark(
                    id,
                    "invitation",
                    &format!("the hub couldn't keep it: {error}; it is tried again with the next session"),
                )
            });
        }
    }

    /// Admits a mesh; what is to be kept is kept before.
    pub(super) async fn admit(&self, request: proto::JoinRequest) -> Result<MeshName, JoinFailed> {
        let _alone = self.joining.lock().await;
        let admission = self.with(|state| state.consider(request, SystemTime::now()))?;
        if !admission.again {
            self.store.redeem(admission.id, admission.invitation.clone()).await?;
        }
        // A crash from here on: the same mesh asks again, and is admitted by the invitation that it has used.
        let mesh = admission.member.mesh.clone();
        let connected = self.with(|state| state.connected(&mesh));
        self.store.save(admission.member.clone(), connected).await?;
        self.with(|state| state.admitted(admission));
        Ok(mesh)
    }

    /// May who has this identity hold a session?
    pub(super) fn begin(&self, identity: &SpiffeId, hello: &proto::Hello) -> Result<Begun, super::NotAdmitted> {
        self.with(|state| {
            let (mesh, cluster) = state.admit(identity, hello)?;
            let too_often = |wait| super::NotAdmitted::TooOften { mesh: mesh.clone(), wait };
            self.heard.lock().arrive(&mesh, self.began.elapsed()).map_err(too_often)?;
            let (id, wake, over) = state.open(mesh.clone(), cluster.clone());
            Ok(Begun { id, wake, over, who: (mesh, cluster) })
        })
    }

    /// Keeps what changes, forgets what is over, and puts out who is revoked, until `stop`.
    pub async fn keep_house(&self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(HOUSEKEEPING);
        let work = async {
            loop {
                tokio::select! {
                    () = self.unsaved.notified() => self.save().await,
                    mesh = self.store.revoked() => {
                        if self.with(|state| state.revoke(&mesh)) {
                            tracing::info!(%mesh, "member revoked");
                        }
                    }
                    _ = tick.tick() => self.tidy().await,
                }
            }
        };
        stop.run_until_cancelled(work).await;
    }

    async fn save(&self) {
        for member in self.with(State::take_unsaved) {
            let mut attempt = 0;
            while let Err(error) = self.store.save(member.clone(), self.with(|s| s.connected(&member.mesh))).await {
                tracing::warn!(mesh = %member.mesh, %error, "couldn't keep a member's record: trying again");
                tokio::time::sleep(SAVE_RETRY.delay(attempt, jitter())).await;
                attempt = attempt.saturating_add(1);
            }
        }
    }

    async fn tidy(&self) {
        for (id, inviter) in self.with(|state| state.expire(SystemTime::now())) {
            if let Err(error) = self.store.forget(&inviter, id).await {
                tracing::debug!(%error, "couldn't forget an invitation that is over");
            }
        }
        let (members, (sessions, catalogs, bytes)) = self.with(|state| (state.clusters(), state.size()));
        let metrics = &self.metrics;
        for (gauge, value) in [
            (&metrics.members, members.len()),
            (&metrics.sessions, sessions),
            (&metrics.catalogs, catalogs),
            (&metrics.catalog_bytes, bytes),
        ] {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        let mut heard = self.heard.lock();
        for (mesh, cluster) in heard.retain(&members) {
            let labels = [mesh.as_str(), cluster.as_str()];
            // One that was never slowed has no such counter.
            let _ = (metrics.silence.remove_label_values(&labels), metrics.slowed.remove_label_values(&labels));
        }
        for ((mesh, cluster), silence) in heard.silences(self.began.elapsed()) {
            let gauge = metrics.silence.with_label_values(&[mesh.as_str(), cluster.as_str()]);
            gauge.set(i64::try_from(silence.as_secs()).unwrap_or(i64::MAX));
        }
    }
}

/// A session that has begun.
pub(super) struct Begun {
    pub(super) id: SessionId,
    /// There may be something to say.
    pub(super) wake: Arc<Notify>,
    /// It is over.
    pub(super) over: CancellationToken,
    pub(super) who: Speaker,
}

/// Why a mesh hasn't joined.
#[derive(Debug, thiserror::Error)]
pub(super) enum JoinFailed {
    #[error(transparent)]
    NotAdmitted(#[from] super::NotAdmitted),
    #[error("the hub couldn't keep it: {0}; try again")]
    NotKept(#[from] StoreError),
}
