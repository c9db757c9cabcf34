//! Following every kind that matters.

use isthmus_k8s::watch::follow;
use kube::Client;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::index::Update;

/// Changes that wait to be taken in; more wait at the API server.
const QUEUE: usize = 1024;

/// Starts a watch for each kind; all of them write into one channel, so that changes are taken in one after another.
pub(crate) fn start(client: &Client, tasks: &TaskTracker, stop: &CancellationToken) -> mpsc::Receiver<Update> {
    let (send, receive) = mpsc::channel(QUEUE);
    macro_rules! follow_all {
        ($($update:ident),*) => {
            $(tasks.spawn(follow(client.clone(), send.clone(), Update::$update, stop.clone()));)*
        };
    }
    follow_all!(
        Service,
        EndpointSlice,
        Pod,
        ServiceAccount,
        Namespace,
        Split,
        Target,
        Group,
        TcpRoute,
        UdpRoute,
        Binding,
        Mesh,
        Peer,
        Export,
        Import
    );
    receive
}
