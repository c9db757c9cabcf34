//! What this replica's own proxies tell, as tasks share it.

use std::sync::Arc;

use isthmus_api::control::v1 as proto;
use isthmus_core::id::{ObjectName, TrustDomain};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    model::{End, Observation},
    source::Query,
    store::{self, Store, Sums},
};
use crate::{index::Index, metrics::Metrics, serve::Hub};

/// The store, its clock, and who knows the pods.
#[derive(Debug)]
pub(crate) struct Traffic {
    hub: Arc<Hub>,
    store: Mutex<Store>,
    started: Instant,
    metrics: Metrics,
}

impl Traffic {
    pub(crate) fn new(hub: Arc<Hub>, metrics: Metrics) -> Self {
        Self { hub, store: Mutex::default(), started: Instant::now(), metrics }
    }

    /// Takes in what a pod's own proxy tells, which has shown its certificate: of no other pod.
    pub(crate) fn take(&self, pod: &ObjectName, told: proto::Traffic) {
        let (own, report) = self.hub.with(|registry| {
            let index = registry.index();
            (own(index, pod), store::read(told, |domain| mesh_of(index, domain)))
        });
        if let Some((edges, why)) = report.refused {
            self.metrics.traffic_refused.inc_by(edges);
            tracing::warn!(%pod, edges, %why, "edges of a proxy's traffic refused");
        }
        let mut store = self.store.lock();
        let folded = store.take(self.started.elapsed(), pod, own, report);
        self.metrics.traffic_folded.inc_by(folded);
        self.metrics.traffic_edges.set(i64::try_from(store.len()).unwrap_or(i64::MAX));
        self.metrics.traffic_bytes.set(i64::try_from(store.bytes()).unwrap_or(i64::MAX));
    }

    /// What was seen by them. Of everything that there can be it takes a tenth of a second to sum up, in which proxies report and
    /// others ask: so the store is held for one pod's edges at a time.
    pub(crate) async fn observe(&self, query: &Query) -> Vec<Observation> {
        let now = self.started.elapsed();
        let pods = self.store.lock().pods();
        let mut answer = Sums::default();
        for pod in pods {
            self.store.lock().observe(now, query, &pod, &mut answer);
            tokio::task::yield_now().await;
        }
        answer.observations()
    }
}

fn own(index: &Index, pod: &ObjectName) -> End {
    let owner = index.roster.workload(pod);
    let (kind, name) = owner.map(|owner| (owner.kind, owner.name)).unwrap_or_default();
    End { mesh: None, namespace: pod.namespace.clone(), kind, name, pod: pod.name.clone() }
}

/// The name under which this mesh knows the other; the trust domain of one that it doesn't know (any more). `None`: it is this
/// mesh.
pub(super) fn mesh_of(index: &Index, domain: &str) -> Option<Arc<str>> {
    if domain == index.settings.trust_domain.as_str() {
        return None;
    }
    let peer = TrustDomain::new(domain).ok().and_then(|domain| {
        let named =
            |peer: &&crate::index::Object<crate::index::Peer>| peer.content.trust_domain.as_ref() == Some(&domain);
        index.peers.iter().find(named).map(|peer| peer.name.name.clone())
    });
    Some(peer.unwrap_or_else(|| domain.into()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        serve::Registry,
        telemetry::{Direction, Keep},
        testing::index_of,
    };

    #[tokio::test]
    async fn a_question_about_all_pods_holds_up_none_that_reports() {
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let hub = Arc::new(Hub::new(Registry::new(index_of([]), Vec::new()), metrics.clone()));
        let traffic = Traffic::new(hub, metrics);
        let tell = |pod: &str, successes| {
            let edges = vec![proto::Edge { successes, ..Default::default() }];
            traffic.take(&ObjectName::new("shop", pod), proto::Traffic { milliseconds: 100, edges });
        };
        tell("web-1", 1);
        tell("web-2", 2);
        let (keep, window) = (Keep { own: true, ..Keep::default() }, Duration::from_secs(60));
        let query = Query { window, direction: Direction::Inbound, within: None, keep };
        let mut question = Box::pin(traffic.observe(&query));
        assert!(futures::poll!(&mut question).is_pending(), "one pod of two has been looked at");
        tell("web-3", 4);
        // Who came meanwhile is in the next answer.
        assert_eq!(question.await.iter().map(|seen| seen.totals.successes).sum::<f64>(), 3.0);
        assert_eq!(traffic.observe(&query).await.len(), 3);
    }
}
