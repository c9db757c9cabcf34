//! The containers of a pod that have been started, and how they are ended together.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Container;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::container::Runner;
use super::super::shared::PodShared;
use super::super::state::{Kind, RestartPolicy};
use super::files;
use crate::volume::TokenCache;

/// How a container's runs ended: None while they go on, then the last exit code, if there was one.
pub(super) type Done = watch::Receiver<Option<Option<i32>>>;

/// A sidecar gets at least this long, even when the main containers used up the pod's time.
const SIDECAR_GRACE: Duration = Duration::from_secs(2);

struct Started {
    kind: Kind,
    order: watch::Sender<Option<Instant>>,
    done: Done,
}

/// All that have been started, in order.
#[derive(Default)]
pub(super) struct Runners {
    all: Vec<Started>,
    background: JoinSet<()>,
}

/// Waits for the end of a container's last run.
pub(super) async fn ended(mut done: Done) -> Option<i32> {
    done.wait_for(Option::is_some).await.ok().and_then(|code| (*code).flatten())
}

impl Runners {
    pub(super) fn start(
        &mut self,
        shared: &Arc<PodShared>,
        container: &Container,
        kind: Kind,
        policy: RestartPolicy,
    ) -> Done {
        let (order, orders) = watch::channel(None);
        let (tell, done) = watch::channel(None);
        let runner = Runner { shared: Arc::clone(shared), container: container.clone(), kind, policy, orders };
        tokio::spawn(async move {
            let code = runner.run().await;
            tell.send_replace(Some(code));
        });
        self.all.push(Started { kind, order, done: done.clone() });
        done
    }

    pub(super) fn keep_files_fresh(&mut self, shared: Arc<PodShared>, tokens: TokenCache) {
        self.background.spawn(files::refresh(shared, tokens));
    }

    /// Ends all by the deadline, or at once when the pod's object is gone.
    pub(super) async fn stop(
        &mut self,
        deadline: Instant,
        gone: &CancellationToken,
        shutdown: &CancellationToken,
        shutdown_grace: Duration,
    ) {
        let (sidecars, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.all).into_iter().partition(|one| one.kind == Kind::Sidecar);
        let order = async |started: &[Started], deadline: Instant| {
            for one in started {
                one.order.send_replace(Some(deadline));
            }
            let all = async {
                for one in started {
                    ended(one.done.clone()).await;
                }
            };
            let sooner = async {
                let limit = tokio::select! {
                    () = gone.cancelled() => Instant::now(),
                    () = shutdown.cancelled() => Instant::now() + shutdown_grace,
                };
                for one in started {
                    one.order.send_modify(|order| *order = order.map(|deadline| deadline.min(limit)));
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = all => {}
                () = sooner => {}
            }
        };
        order(&others, deadline).await;
        for sidecar in sidecars.iter().rev() {
            let least = Instant::now() + if gone.is_cancelled() { Duration::ZERO } else { SIDECAR_GRACE };
            order(std::slice::from_ref(sidecar), deadline.max(least)).await;
        }
        self.background.shutdown().await;
    }
}
