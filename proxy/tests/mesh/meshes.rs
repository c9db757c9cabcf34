//! Two meshes that share no root, joined by relays that can't read what they pass on (design §8).

mod balance;
mod failover;
mod forge;
mod identity;
pub mod relay;
mod revocation;

use std::{net::SocketAddr, time::Duration};

use isthmus_api::encode::{bundles_key, destination_key, inbound_key};
use isthmus_core::{
    destination::{Destination, DestinationKey, Endpoint, Remote},
    id::{ObjectName, SpiffeId, TrustDomain},
    inbound::{Export, InboundPolicy},
};

use tokio::net::TcpStream;

use self::relay::Relay;
use crate::support::{
    address, app,
    control::{Script, bundle},
    mesh::{Pod, allow, id},
};

const VIP: (&str, u16) = ("10.43.7.7", 80);
const EAST: &str = "isthmus.local";
const WEST: &str = "west.example";

/// East, with a caller, and west, with gateways and pods that export their port to east.
struct Meshes {
    east: Script,
    west: Script,
    caller: Pod,
    pods: Vec<Pod>,
    gateways: Vec<Relay>,
}

impl Meshes {
    /// West has pods of these names, each an application that says its pod's.
    async fn start(pods: &[&'static str]) -> Self {
        let mut meshes = Self::without_apps(pods).await;
        for (pod, name) in meshes.pods.iter_mut().zip(pods) {
            app::http((pod.app, 8080).into(), name).await;
        }
        meshes
    }

    async fn without_apps(names: &[&str]) -> Self {
        let east = Script::start().await;
        let west = Script::start_of(WEST, (address(), 15010).into()).await;
        east.set_bundles(vec![bundle(&east.authority), bundle(&west.authority)]);
        west.set_bundles(vec![bundle(&west.authority), bundle(&east.authority)]);
        east.set_policy("caller", allow(&[]));
        let caller = Pod::start(&east, "caller", &[], &[VIP]).await;
        let mut pods = Vec::new();
        for name in names {
            west.set_policy(name, exported(&[&id("caller")], &[EAST]));
            pods.push(Pod::start(&west, name, &[8080], &[]).await);
        }
        let mut meshes = Self { east, west, caller, pods, gateways: Vec::new() };
        meshes.open_gateway().await;
        meshes.trusted().await;
        meshes
    }

    /// One gateway more, which leads to every pod of west.
    async fn open_gateway(&mut self) {
        let gateway = Relay::start(Duration::ZERO).await;
        for pod in &self.pods {
            gateway.route(&server_name(pod), (pod.ip, 8080).into());
        }
        self.gateways.push(gateway);
    }

    /// Waits until all trust the present roots.
    async fn trusted(&self) {
        self.east.acknowledged("caller", &bundles_key()).await;
        for pod in &self.pods {
            self.west.acknowledged(&pod.name, &bundles_key()).await;
        }
    }

    /// The way to a pod of west through a gateway.
    fn remote(&self, pod: usize, gateway: usize) -> Endpoint {
        let pod = &self.pods[pod];
        let server_name = server_name(pod).into();
        let remote = Remote { server_name, mesh: "west".parse().unwrap(), stale: false };
        Endpoint { addr: self.gateways[gateway].addr, remote: Some(remote), ..pod.endpoint(8080) }
    }

    /// Every way to every pod of west.
    fn all(&self) -> Vec<Endpoint> {
        let ways = (0..self.pods.len()).flat_map(|pod| (0..self.gateways.len()).map(move |gateway| (pod, gateway)));
        ways.map(|(pod, gateway)| self.remote(pod, gateway)).collect()
    }

    /// What the caller calls, from now on.
    async fn set(&self, destination: Destination) {
        let key = DestinationKey { host: VIP.0.into(), port: VIP.1 };
        self.east.set_destination(VIP.0, VIP.1, destination);
        if self.east.subscriptions("caller").iter().all(|s| s.key.as_ref() != Some(&destination_key(&key))) {
            // The first use subscribes.
            drop(TcpStream::connect(self.call()).await.unwrap());
        }
        self.east.acknowledged("caller", &destination_key(&key)).await;
    }

    /// What a pod of west lets in, from now on.
    async fn set_policy(&self, pod: usize, policy: InboundPolicy) {
        let name = &self.pods[pod].name;
        self.west.set_policy(name, policy);
        self.west.acknowledged(name, &inbound_key()).await;
    }

    fn call(&self) -> SocketAddr {
        self.caller.call(0)
    }
}

/// By which gateways find a pod.
fn server_name(pod: &Pod) -> String {
    format!("{}.p80.web.shop.svc.west.mesh", pod.name)
}

/// A pod of west lets these identities in, and exports its port to the meshes of these trust domains.
fn exported(ids: &[&SpiffeId], to: &[&str]) -> InboundPolicy {
    let domain = |name: &str| TrustDomain::new(name).unwrap();
    let name = ObjectName::new("shop", "web");
    let export = Export { name, ports: [8080].into(), to: to.iter().copied().map(domain).collect() };
    InboundPolicy { trust_domain: Some(domain(WEST)), exports: vec![export], ..allow(ids) }
}
