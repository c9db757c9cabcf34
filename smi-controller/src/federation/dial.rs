//! The member that holds the session with the hub, for as long as the hub is the same.

use std::sync::Arc;

use isthmus_federation::member::{self, Event, HubRef, Offer, Parts};
use isthmus_identity::SvidCell;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::offer;
use crate::index::Hub;

/// Events that wait to be taken in; the member waits with more.
const QUEUE: usize = 256;

/// A running member. It ends when this is dropped.
pub(super) struct Member {
    hub: Hub,
    offer: watch::Sender<Arc<Offer>>,
    events: mpsc::Receiver<Event>,
    _task: JoinHandle<()>,
    _stop: DropGuard,
}

impl Member {
    pub(super) fn start(hub: Hub, known: HubRef, svid: Arc<SvidCell>, offer: Offer) -> Self {
        let (offer, offered) = watch::channel(Arc::new(offer));
        let (send, events) = mpsc::channel(QUEUE);
        let stop = CancellationToken::new();
        let parts = Parts { svid, hub: known, offer: offered, events: send, stop: stop.clone() };
        Self { hub, offer, events, _task: tokio::spawn(member::run(parts)), _stop: stop.drop_guard() }
    }

    /// Is it the one for this hub?
    pub(super) fn is_for(&self, hub: &Hub) -> bool {
        self.hub == *hub
    }

    /// Tells it, if there is something new.
    pub(super) fn offer(&self, now: Offer) {
        self.offer.send_if_modified(|before| {
            let news = !offer::same(before, &now);
            if news {
                *before = Arc::new(now);
            }
            news
        });
    }

    /// What has happened. `None`: it has ended.
    pub(super) async fn hear(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// What has happened by now.
    pub(super) fn heard(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }
}
