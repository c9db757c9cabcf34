//! The simulated proxies, and what each calls.

use std::{collections::HashSet, sync::Arc, time::Duration};

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use isthmus_core::id::TrustDomain;
use isthmus_identity::{Bundle, TrustStore};
use isthmus_smi_controller::Config;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::{Cluster, POPULAR, QUIET},
    controller::Controller,
    proxy::{self, Heard, Mesh},
};

/// Services that a proxy calls beside the popular one.
const CALLS: u32 = 10;
/// How long all may take to have all they asked for.
const PATIENCE: Duration = Duration::from_secs(300);

/// So many proxies.
pub(crate) struct Fleet {
    tokens: Vec<String>,
    /// By proxy: the Services that it calls.
    calls: Vec<Vec<u32>>,
    /// By proxy: their addresses.
    hosts: Vec<Vec<String>>,
    roots: Arc<TrustStore>,
    domain: TrustDomain,
    pub(crate) heard: mpsc::UnboundedReceiver<Heard>,
    hear: mpsc::UnboundedSender<Heard>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Fleet {
    /// Gets ready to connect: tokens, and what each proxy calls.
    pub(crate) async fn new(cluster: &Cluster, count: u32) -> anyhow::Result<Self> {
        let tokens = stream::iter((0..count).map(|proxy| cluster.token(proxy))).buffered(16).try_collect().await?;
        let calls: Vec<Vec<u32>> = (0..count).map(|proxy| calls(proxy, cluster.services())).collect();
        let hosts = |services: &Vec<u32>| -> anyhow::Result<Vec<String>> {
            services.iter().map(|service| Ok(cluster.address(*service)?.to_owned())).collect()
        };
        let hosts = calls.iter().map(hosts).collect::<anyhow::Result<_>>()?;
        let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), "isthmus-system");
        let root = secrets.get("isthmus-ca").await?.data.and_then(|mut data| data.remove("tls.crt"));
        let root = String::from_utf8(root.context("the controller has no root")?.0)?;
        let domain = TrustDomain::new("isthmus.local")?;
        let roots = Arc::new(TrustStore::with(&[Bundle::from_pem(domain.clone(), &root, 1)?])?);
        let (hear, heard) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        Ok(Self { tokens, calls, hosts, roots, domain, heard, hear, stop, tasks: JoinSet::new() })
    }

    /// How many proxies call a Service.
    pub(crate) fn subscribers(&self, service: u32) -> usize {
        self.calls.iter().filter(|calls| calls.contains(&service)).count()
    }

    /// All of them dial at once. Returns when each has, and has acknowledged, all that it asked for.
    /// Gives how many attempts had to be repeated.
    pub(crate) async fn connect(&mut self, controller: &Controller) -> anyhow::Result<u32> {
        let mesh = Arc::new(Mesh {
            grpc: controller.grpc,
            roots: self.roots.clone(),
            controller: Config::new(self.domain.clone()).identity()?,
            heard: self.hear.clone(),
            stop: self.stop.clone(),
        });
        for ((proxy, token), hosts) in (0..).zip(&self.tokens).zip(&self.hosts) {
            self.tasks.spawn(proxy::run(mesh.clone(), proxy, token.clone(), hosts.clone()));
        }
        let mut complete = HashSet::new();
        let mut repeated = 0;
        let all = async {
            while complete.len() < self.tokens.len() {
                if let Heard::Complete { proxy, attempts } = self.heard.recv().await.context("no proxy is left")? {
                    complete.insert(proxy);
                    repeated += attempts;
                }
            }
            anyhow::Ok(())
        };
        timeout(PATIENCE, all).await.context("not every proxy got what it asked for")??;
        Ok(repeated)
    }

    /// All of them go.
    pub(crate) async fn leave(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// The popular Service, and others: each is called by about as many proxies as every other.
fn calls(proxy: u32, services: u32) -> Vec<u32> {
    let mut calls = vec![POPULAR];
    calls.extend((0..CALLS).map(|i| (proxy * CALLS + i * 97 + QUIET) % services));
    calls.sort_unstable();
    calls.dedup();
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_proxy_calls_the_popular_service_and_few_call_the_quiet_one() {
        let all: Vec<Vec<u32>> = (0..1000).map(|proxy| calls(proxy, 1000)).collect();
        assert!(
            all.iter().all(|calls| calls.contains(&POPULAR) && (CALLS..=CALLS + 1).contains(&(calls.len() as u32)))
        );
        let quiet = all.iter().filter(|calls| calls.contains(&QUIET)).count();
        assert!((5..=20).contains(&quiet), "{quiet}");
        assert!(calls(0, 1000).contains(&QUIET), "one proxy alone calls it too");
    }
}
