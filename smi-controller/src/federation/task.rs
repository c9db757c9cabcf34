//! The task.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::links;
use crate::{compile::Outlook, serve::Hub};

/// How long changes are gathered before they are told.
const GATHER: Duration = Duration::from_millis(100);

/// Speaks to other meshes while this replica leads.
pub(crate) struct Task {
    hub: Arc<Hub>,
    leader: watch::Receiver<bool>,
}

impl Task {
    pub(crate) fn new(hub: Arc<Hub>, leader: watch::Receiver<bool>) -> Self {
        Self { hub, leader }
    }

    /// Until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let work = async {
            self.hub.synced().await;
            // The sender lives as long as the contender for the lease.
            while self.leader.wait_for(|leads| *leads).await.is_ok() {
                self.look();
                tokio::select! {
                    () = self.hub.outlook.notified() => tokio::time::sleep(GATHER).await,
                    changed = self.leader.changed() => if changed.is_err() { return },
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.cancelled() => {}
        }
    }

    fn look(&self) {
        let outlook: Outlook = self.hub.with(|registry| registry.outlook());
        let hub = outlook.mesh.as_ref().and_then(|mesh| mesh.content.hub.as_ref());
        if hub.is_none() {
            let links = links::without_hub(&outlook);
            self.hub.with(|registry| links.into_iter().for_each(|(object, link)| registry.set_link(object, link)));
        }
    }
}
