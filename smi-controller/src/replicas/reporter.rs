//! Telling other replicas of the proxies that are connected here.

use std::{collections::VecDeque, pin::Pin, sync::Arc, time::Duration};

use futures::Stream;
use isthmus_api::{
    listen::Peer,
    replica::v1::{FollowRequest, ObserveRequest, Observed, Report, Sight, TapRequest, replicas_server},
};
use isthmus_core::id::SpiffeId;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{sight, tap, wire};
use crate::{
    serve::{FollowerId, Hub},
    telemetry::Traffic,
};

/// Shortest time from one report to the next: what changes meanwhile is told once.
const PACE: Duration = Duration::from_millis(20);
/// Longest name of a pod.
const MAX_NAME: usize = 253;

/// The service.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    hub: Arc<Hub>,
    /// The controller's own identity: nobody else is told.
    own: SpiffeId,
    traffic: Arc<Traffic>,
    stop: CancellationToken,
}

impl Reporter {
    /// Streams end with `stop`.
    pub(crate) fn server(
        hub: Arc<Hub>,
        own: SpiffeId,
        traffic: Arc<Traffic>,
        stop: CancellationToken,
    ) -> replicas_server::ReplicasServer<Self> {
        replicas_server::ReplicasServer::new(Self { hub, own, traffic, stop })
    }

    /// Only replicas ask.
    fn admit<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let peer = request.extensions().get::<Peer>().and_then(|peer| peer.identity.clone());
        if peer.as_ref() == Some(&self.own) {
            return Ok(());
        }
        Err(Status::permission_denied(format!("only {} may follow a replica", self.own)))
    }
}

#[tonic::async_trait]
impl replicas_server::Replicas for Reporter {
    type FollowStream = Pin<Box<dyn Stream<Item = Result<Report, Status>> + Send>>;
    type ObserveStream = Pin<Box<dyn Stream<Item = Result<Observed, Status>> + Send>>;
    type TapStream = Pin<Box<dyn Stream<Item = Result<Sight, Status>> + Send>>;

    async fn observe(&self, request: Request<ObserveRequest>) -> Result<Response<Self::ObserveStream>, Status> {
        self.admit(&request)?;
        let query = sight::asked(request.into_inner()).map_err(Status::invalid_argument)?;
        let messages = sight::write(&self.traffic.observe(&query).await);
        Ok(Response::new(Box::pin(futures::stream::iter(messages.into_iter().map(Ok)))))
    }

    async fn tap(&self, request: Request<TapRequest>) -> Result<Response<Self::TapStream>, Status> {
        self.admit(&request)?;
        let at = tap::asked(request.into_inner()).map_err(Status::invalid_argument)?;
        let end = Instant::now() + at.tap.lasts;
        let tapping = self.hub.tap(at).map_err(|error| Status::resource_exhausted(error.to_string()))?;
        // The stop ends it as the other's going does: by dropping it.
        let stop = self.stop.clone();
        Ok(Response::new(Box::pin(futures::stream::unfold((tapping, stop), move |(mut tapping, stop)| async move {
            let sight = tokio::select! {
                sight = tapping.sights.recv() => sight?,
                () = tokio::time::sleep_until(end) => return None,
                () = stop.cancelled() => return None,
            };
            Some((Ok(tap::written(sight)), (tapping, stop)))
        }))))
    }

    async fn follow(&self, request: Request<FollowRequest>) -> Result<Response<Self::FollowStream>, Status> {
        self.admit(&request)?;
        let replica = request.into_inner().replica;
        if replica.is_empty() || replica.len() > MAX_NAME {
            return Err(Status::invalid_argument("replica: must be the name of a pod"));
        }
        // What is told before everything is known would be counts of a part.
        self.hub.synced().await;
        let followed = self.hub.with(|registry| registry.follow(&replica));
        let (id, wake, replaced) = followed.ok_or_else(|| Status::resource_exhausted("too many replicas follow"))?;
        tracing::info!(replica, "another replica follows this one");
        let telling = Telling {
            follower: Follower { hub: self.hub.clone(), id },
            wake,
            replaced,
            stop: self.stop.clone(),
            messages: VecDeque::new(),
        };
        Ok(Response::new(Box::pin(futures::stream::unfold(Some(telling), |telling| async {
            let mut telling = telling?;
            match telling.next().await {
                Ok(message) => Some((Ok(message), Some(telling))),
                Err(status) => Some((Err(status), None)),
            }
        }))))
    }
}

/// One stream. It is asked only when the connection can take more: what changes while the other replica is slow waits as names.
struct Telling {
    follower: Follower,
    wake: Arc<Notify>,
    replaced: CancellationToken,
    stop: CancellationToken,
    messages: VecDeque<Report>,
}

impl Telling {
    async fn next(&mut self) -> Result<Report, Status> {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return Ok(message);
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = self.stop.cancelled() => return Err(Status::unavailable("this controller is ending")),
                () = self.replaced.cancelled() => return Err(Status::aborted("a newer stream of this replica has taken over")),
            }
            tokio::time::sleep(PACE).await;
            let Follower { hub, id } = &self.follower;
            let report = hub.with(|registry| registry.report(*id));
            self.messages.extend(report.map(wire::write).unwrap_or_default());
        }
    }
}

/// Forgets a follower however its stream ends.
struct Follower {
    hub: Arc<Hub>,
    id: FollowerId,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.hub.with(|registry| registry.unfollow(self.id));
    }
}
