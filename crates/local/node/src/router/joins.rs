//! Other clusters' routers: the links to them, and what is lost on the way.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;

use isthmus_netfilter::{Link, Loss};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};

use super::Router;
use crate::cidr::Cidr;

/// Something that goes wrong between this cluster and another, both ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinkFault {
    /// The other cluster.
    pub cluster: String,
    /// Only TCP to or from this port, as a client names it. None: everything.
    pub port: Option<u16>,
    /// One packet in so many is dropped, by chance. 1 cuts the link.
    #[serde(default = "every")]
    pub drop_one_in: NonZeroU32,
}

fn every() -> NonZeroU32 {
    NonZeroU32::MIN
}

/// Why faults can't be put into effect. Those before stay.
#[derive(Debug, thiserror::Error)]
pub enum BadFault {
    /// There is no link to that cluster.
    #[error("cluster {cluster:?}: there is no link to it; there are links to {joined:?}")]
    UnknownCluster {
        /// As given.
        cluster: String,
        /// The clusters that there are links to.
        joined: Vec<String>,
    },
    /// The kernel refuses the rules.
    #[error("packet filter: {0}")]
    Filter(#[source] io::Error),
}

/// The clusters that this one is joined with.
#[derive(Debug, Default)]
pub(super) struct Joins {
    state: Mutex<State>,
    /// Counts them.
    count: watch::Sender<usize>,
}

#[derive(Debug, Default, Clone)]
struct State {
    /// This router's ends, and the others' addresses, by cluster.
    peers: BTreeMap<String, (End, Ipv4Addr)>,
    faults: Vec<LinkFault>,
}

/// One router's end of a link between two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) link: String,
    pub(super) address: Ipv4Addr,
}

impl End {
    /// The end at the router with one range, of the link to the router with the other. The name is within the kernel's 15 characters.
    fn of(own: Cidr, other: Cidr) -> Self {
        let other_end = transit(other, own);
        End { link: format!("link{:08x}", other_end.to_bits()), address: transit(own, other) }
    }

    pub(super) fn mac(&self) -> [u8; 6] {
        let [a, b, c, d] = self.address.octets();
        [0x0e, 1, a, b, c, d]
    }
}

/// An address for each end of each link: 100.127.i.j for the router with 100.64.i.0/24 on its link to the one with 100.64.j.0/24.
fn transit(own: Cidr, other: Cidr) -> Ipv4Addr {
    let [_, _, own, _] = own.first().octets();
    let [_, _, other, _] = other.first().octets();
    Ipv4Addr::new(100, 127, own, other)
}

impl State {
    fn links(&self) -> Vec<Link> {
        let link = |(cluster, (end, peer)): (&String, &(End, Ipv4Addr))| {
            let faults = self.faults.iter().filter(|fault| fault.cluster == *cluster);
            let losses = faults.map(|fault| Loss { port: fault.port, one_in: fault.drop_one_in }).collect();
            Link { name: end.link.clone(), peer: *peer, losses }
        };
        self.peers.iter().map(link).collect()
    }

    fn check(&self, faults: &[LinkFault]) -> Result<(), BadFault> {
        match faults.iter().find(|fault| !self.peers.contains_key(&fault.cluster)) {
            None => Ok(()),
            Some(fault) => Err(BadFault::UnknownCluster {
                cluster: fault.cluster.clone(),
                joined: self.peers.keys().cloned().collect(),
            }),
        }
    }
}

impl Router {
    /// Joins two clusters' networks. Each reaches the addresses of the other's LoadBalancer Services, under its router's address on the
    /// link, and nothing else there: neither pods nor ClusterIPs, even if it had routes to them.
    ///
    /// # Errors
    /// The system's; and two clusters with the same name or range can't be joined.
    pub async fn join(&self, other: &Router) -> io::Result<()> {
        let (own, others) = (self.config.balancer_cidr, other.config.balancer_cidr);
        let (here, there) = (End::of(own, others), End::of(others, own));
        if self.name == other.name || here.address == there.address {
            let text = format!("clusters {:?} ({own}) and {:?} ({others}) can't be told apart", self.name, other.name);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        // First the rules, then the way.
        self.admit(&other.name, &here, there.address).await?;
        other.admit(&self.name, &there, here.address).await?;
        let namespace = other.thread.run(|| File::open("/proc/thread-self/ns/net")).await??;
        self.links.pair(&here, &there, &namespace).await?;
        self.links.connect(&here, &there, others).await?;
        other.links.connect(&there, &here, own).await
    }

    async fn admit(&self, cluster: &str, end: &End, peer: Ipv4Addr) -> io::Result<()> {
        let mut state = self.joins.state.lock().await;
        let mut next = state.clone();
        next.peers.insert(cluster.to_owned(), (end.clone(), peer));
        self.filter(&next).await?;
        self.joins.count.send_replace(next.peers.len());
        *state = next;
        Ok(())
    }

    /// Replaces what goes wrong on the links.
    pub(crate) async fn set_faults(&self, faults: Vec<LinkFault>) -> Result<(), BadFault> {
        let mut state = self.joins.state.lock().await;
        state.check(&faults)?;
        let next = State { faults, ..state.clone() };
        self.filter(&next).await.map_err(BadFault::Filter)?;
        *state = next;
        Ok(())
    }

    /// Changes with every cluster that is joined.
    pub(crate) fn joined(&self) -> watch::Receiver<usize> {
        self.joins.count.subscribe()
    }

    async fn filter(&self, state: &State) -> io::Result<()> {
        let (links, open) = (state.links(), self.config.balancer_cidr.into());
        let apply = move || isthmus_netfilter::links(&links, open).apply();
        self.thread.run(apply).await?.map_err(io::Error::other)
    }
}
