//! Joining by an invitation, once.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use isthmus_api::federation::v1::{BundleRequest, joining_client::JoiningClient};
use isthmus_core::{
    federation::MeshName,
    id::{SpiffeId, TrustDomain},
};
use isthmus_identity::{
    BadBundle, BundleDigest, BundleRefused, Chain, HeldBundle, MeshTls, SealFailed, Svid, SvidCell, TrustStore,
    confusable,
};
use isthmus_runtime::error_text::with_causes;

use super::{Introduction, connect, introduction, offer::Peer};
use crate::{
    invitation::{BadInvitation, Invitation},
    limits::MAX_JOIN_BYTES,
    names::Cluster,
    wire::{self, BadChain},
};

/// How long each of the hub's answers may take.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// Where the hub is and how it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct HubRef {
    /// `host:port` each; the first that answers is taken.
    pub addresses: Vec<Arc<str>>,
    /// The SPIFFE ID that it must show.
    pub identity: SpiffeId,
    /// The bundle of its mesh.
    pub held: HeldBundle,
}

/// Who joins.
#[derive(Debug, Clone)]
pub struct Joiner {
    /// This mesh.
    pub mesh: MeshName,
    /// This cluster of it.
    pub cluster: Cluster,
    /// Its trust domain.
    pub trust_domain: TrustDomain,
    /// Its signed bundles, oldest first.
    pub chain: Chain,
    /// The controller's certificate.
    pub svid: Arc<Svid>,
}

/// The mesh has joined.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    /// The hub: to be kept.
    pub hub: HubRef,
    /// Who has invited: make a MeshPeer of it, with this pin.
    pub inviter: MeshName,
    /// It, as a peer.
    pub peer: Peer,
}

/// Why it has not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The invitation can't be used.
    #[error(transparent)]
    Invitation(#[from] BadInvitation),
    /// It is an invitation of the joiner's own.
    #[error("the invitation is of mesh {0}, this one: it is for another mesh")]
    Own(MeshName),
    /// The inviter's trust domain is the joiner's, or looks like it.
    #[error(
        "the inviter's trust domain {theirs} is, or looks like, this mesh's own, {ours}: one of the two needs another"
    )]
    Confusable {
        /// The inviter's.
        theirs: TrustDomain,
        /// The joiner's.
        ours: TrustDomain,
    },
    /// The joiner's own bundle can't be told.
    #[error("this mesh's own bundle: {0}")]
    OwnBundle(String),
    /// The hub can't be reached, or isn't who it should be.
    #[error("the hub can't be reached: {0}; is the address right, and open from here?")]
    Unreachable(String),
    /// What it gives as its mesh's bundle can't be read.
    #[error("the hub's bundle: {0}")]
    BadChain(#[from] BadChain),
    /// Its mesh's bundle isn't the one that the invitation names: somebody stands between, or the invitation is old.
    #[error("the hub's bundle isn't the one that the invitation names: {0}; ask for a new invitation")]
    HubBundle(#[from] BundleRefused),
    /// Its roots can't be used.
    #[error("the hub's bundle: {0}")]
    HubRoots(#[from] BadBundle),
    /// The hub says no.
    #[error("the hub refused: {0}")]
    Refused(String),
    /// The introduction couldn't be sealed.
    #[error("this mesh's introduction: {0}")]
    Seal(#[from] SealFailed),
    /// TLS can't be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

impl JoinError {
    /// May the same invitation lead to something later?
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// Uses an invitation. It may be called again for the same one by the same mesh, if the answer was lost.
pub async fn join(invitation: &Invitation, joiner: &Joiner) -> Result<Joined, JoinError> {
    let terms = &invitation.terms;
    invitation.check_time(SystemTime::now())?;
    if terms.mesh == joiner.mesh {
        return Err(JoinError::Own(terms.mesh.clone()));
    }
    if terms.trust_domain == joiner.trust_domain || confusable(&terms.trust_domain, &joiner.trust_domain) {
        let (theirs, ours) = (terms.trust_domain.clone(), joiner.trust_domain.clone());
        return Err(JoinError::Confusable { theirs, ours });
    }
    let chain = ask(&terms.hub).await?;
    let held = HeldBundle::join(terms.hub_identity.trust_domain(), terms.hub_bundle, &chain, SystemTime::now())?.held;
    // No certificate is shown: the hub doesn't know its roots yet.
    let tls = MeshTls::new(Arc::new(TrustStore::with(&[held.bundle().clone()])?), Arc::new(SvidCell::new()));
    let config = tls.client_config(connect::ALPN, terms.hub_identity.clone())?;
    let channel = connect::channel(&terms.hub, config).await;
    let channel = channel.map_err(|error| JoinError::Unreachable(with_causes(&error)))?;
    let request = introduction::request(invitation, &introduce(invitation, joiner)?, &joiner.chain, &joiner.svid)?;
    let mut client = JoiningClient::new(channel).max_decoding_message_size(MAX_JOIN_BYTES);
    match tokio::time::timeout(ANSWER_TIME, client.join(request)).await {
        Ok(Ok(_)) => {}
        Ok(Err(status)) if status.code() == tonic::Code::Unavailable => {
            return Err(JoinError::Unreachable(status.message().to_owned()));
        }
        Ok(Err(status)) => return Err(JoinError::Refused(status.message().to_owned())),
        Err(_) => return Err(JoinError::Unreachable(format!("no answer within {ANSWER_TIME:?}"))),
    }
    let hub = HubRef { addresses: terms.hub.clone(), identity: terms.hub_identity.clone(), held };
    let peer = Peer::new(terms.trust_domain.clone(), Some(terms.bundle));
    Ok(Joined { hub, inviter: terms.mesh.clone(), peer })
}

/// Asks whoever answers there for the bundles of the hub's mesh. Nobody vouches for them but the digest or the signatures
/// that the caller looks at.
pub(super) async fn ask(addresses: &[Arc<str>]) -> Result<Chain, JoinError> {
    let unreachable = |why: String| JoinError::Unreachable(why);
    let channel = connect::channel(addresses, connect::stranger()?).await;
    let channel = channel.map_err(|error| unreachable(with_causes(&error)))?;
    let mut client = JoiningClient::new(channel).max_decoding_message_size(MAX_JOIN_BYTES);
    let answer = tokio::time::timeout(ANSWER_TIME, client.bundle(BundleRequest {})).await;
    let answer = answer.map_err(|_| unreachable(format!("no answer within {ANSWER_TIME:?}")))?;
    Ok(wire::read_chain(answer.map_err(|status| unreachable(status.message().to_owned()))?.into_inner().chain)?)
}

fn introduce(invitation: &Invitation, joiner: &Joiner) -> Result<Introduction, JoinError> {
    let newest = joiner.chain.newest().ok_or_else(|| JoinError::OwnBundle("it isn't signed yet".to_owned()))?;
    let newest = HeldBundle::restore(joiner.trust_domain.clone(), newest.document.clone());
    let bundle: BundleDigest = newest.map_err(|error| JoinError::OwnBundle(error.to_string()))?.digest();
    let Joiner { mesh, cluster, trust_domain, .. } = joiner.clone();
    Ok(Introduction { invitation: invitation.id, mesh, cluster, trust_domain, bundle })
}
