//! One member's session: what it has been told, and what it is to be told next. What changes while a member is slow waits
//! here as a topic, not as a message: it is sent the newest when it can take more.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use isthmus_api::federation::v1 as proto;
use isthmus_core::federation::MeshName;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::log::Place;
use crate::{invitation::InvitationId, names::Cluster};

/// Most remarks to a member that wait to be sent; more are dropped.
const MAX_NOTICES: usize = 32;

/// Names a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(super) u64);

/// Something that a member is to be told, in the order of urgency: bundles before what is verified by them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    Welcome,
    Bundle(MeshName),
    Introduced(InvitationId),
    Invitation(InvitationId),
    Notices,
    Peer(MeshName),
    Wanted(MeshName),
    Custody(MeshName, Cluster),
    Catalog(MeshName, Cluster),
    Acknowledgement(MeshName, Cluster),
    Heartbeat(MeshName, Cluster),
}

/// A member that is connected.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) mesh: MeshName,
    pub(super) cluster: Cluster,
    pub(super) wake: Arc<Notify>,
    /// Ends it.
    pub(super) over: CancellationToken,
    pub(super) due: BTreeSet<Topic>,
    /// The peers that it agrees with, and what it has of each.
    pub(super) peers: BTreeMap<MeshName, Holdings>,
    pub(super) notices: VecDeque<proto::Refused>,
}

/// What a member has of a peer.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    pub(super) bundle: u64,
    pub(super) catalogs: BTreeMap<Cluster, Place>,
}

impl Session {
    pub(super) fn new(mesh: MeshName, cluster: Cluster) -> Self {
        Self {
            mesh,
            cluster,
            wake: Arc::new(Notify::new()),
            over: CancellationToken::new(),
            due: [Topic::Welcome].into(),
            peers: BTreeMap::new(),
            notices: VecDeque::new(),
        }
    }

    /// Is it this cluster's own?
    pub(super) fn is_of(&self, mesh: &MeshName, cluster: &Cluster) -> bool {
        self.mesh == *mesh && self.cluster == *cluster
    }

    /// There is something to tell.
    pub(super) fn tell(&mut self, topic: Topic) {
        self.due.insert(topic);
        self.wake.notify_one();
    }

    /// Something wasn't taken.
    pub(super) fn notice(&mut self, what: &str, why: impl ToString) {
        if self.notices.len() < MAX_NOTICES {
            self.notices.push_back(proto::Refused { what: what.to_owned(), why: why.to_string() });
            self.tell(Topic::Notices);
        }
    }
}
