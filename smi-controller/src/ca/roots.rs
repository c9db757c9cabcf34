//! The roots in use, as tasks share them.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use isthmus_identity::{Authority, Bundle, Chain, Phase, RootId, Rotation, SignFailed};
use tokio::sync::watch;

use super::{
    CaError,
    kept::{self, TokenSecret},
};

/// The present roots. Whoever signs or publishes looks here each time, or waits for a change.
pub(crate) type SharedRoots = watch::Receiver<Arc<Roots>>;

/// The published roots with their keys.
#[derive(Debug)]
pub(crate) struct Roots {
    pub(crate) rotation: Rotation,
    signer: Arc<Authority>,
    other: Option<Arc<Authority>>,
    /// The bundles published so far; the present one is the newest.
    chain: Chain,
    tokens: TokenSecret,
}

impl Roots {
    /// Of a mesh with one root.
    pub(crate) fn begin(root: Arc<Authority>, leaf_lifetime: Duration, now: SystemTime) -> Result<Self, CaError> {
        let tokens = TokenSecret::generate().ok_or(CaError::NoRandomness)?;
        let rotation = Rotation::begin(root.root(), leaf_lifetime, now);
        Ok(Self { rotation, signer: root, other: None, chain: Chain::default(), tokens }.published()?)
    }

    /// The roots of this state, after those that published `chain`. `None`: one isn't among `authorities`.
    pub(crate) fn of(
        rotation: Rotation,
        authorities: &[Arc<Authority>],
        chain: Chain,
        tokens: TokenSecret,
    ) -> Result<Option<Self>, CaError> {
        let roots = Self::find(rotation, authorities, chain, tokens);
        Ok(roots.map(Self::published).transpose()?)
    }

    fn find(rotation: Rotation, authorities: &[Arc<Authority>], chain: Chain, tokens: TokenSecret) -> Option<Self> {
        let find = |root: RootId| authorities.iter().find(|authority| authority.root() == root).cloned();
        let other = match rotation.phase.other() {
            Some(other) => Some(find(other)?),
            None => None,
        };
        Some(Self { rotation, signer: find(rotation.phase.signer())?, other, chain, tokens })
    }

    /// Signed before anybody uses it: whoever holds the bundle before can follow.
    fn published(mut self) -> Result<Self, SignFailed> {
        let roots = self.all();
        let signers: Vec<&Authority> = roots.iter().map(|root| &**root).collect();
        self.chain = kept::publish(std::mem::take(&mut self.chain), &self.bundle(), &signers)?;
        Ok(self)
    }

    /// The bundles published so far, oldest first.
    pub(crate) fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The key of the names by which other meshes know pods.
    pub(crate) fn tokens(&self) -> &TokenSecret {
        &self.tokens
    }

    /// Signs leaves.
    pub(crate) fn signer(&self) -> &Arc<Authority> {
        &self.signer
    }

    /// Signs the controller's own leaf: what every proxy trusts by now.
    pub(crate) fn elder(&self) -> &Arc<Authority> {
        match (self.rotation.phase, &self.other) {
            (Phase::Turning { .. }, Some(old)) if old.not_after() > SystemTime::now() => old,
            _ => &self.signer,
        }
    }

    /// What signs, or is to sign at the end of a rotation.
    pub(crate) fn goal(&self) -> &Arc<Authority> {
        match (self.rotation.phase, &self.other) {
            (Phase::Publishing { .. }, Some(next)) => next,
            _ => &self.signer,
        }
    }

    /// All, the signing one first.
    pub(crate) fn all(&self) -> Vec<Arc<Authority>> {
        std::iter::once(&self.signer).chain(&self.other).cloned().collect()
    }

    /// What proxies are to trust, the signing root first.
    pub(crate) fn bundle(&self) -> Bundle {
        let roots = self.all().iter().map(|authority| authority.certificate().clone()).collect();
        Bundle { roots, ..self.signer.bundle(self.rotation.sequence) }
    }

    /// A receiver that never hears of a change.
    #[cfg(test)]
    pub(crate) fn fixed(root: Arc<Authority>) -> SharedRoots {
        let roots = Self::begin(root, Duration::from_secs(3600), SystemTime::now()).unwrap();
        watch::Sender::new(Arc::new(roots)).subscribe()
    }
}
