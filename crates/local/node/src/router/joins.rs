//! Other clusters' routers: the links to them, and what is lost on the way.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::sync::Arc;

use isthmus_netfilter::{Detour, Link, Loss};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};

use super::Router;
use super::relay::{Delay, Relay};
use crate::cidr::Cidr;

/// Something that goes wrong between this cluster and another, both ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinkFault {
    /// The other cluster.
    pub cluster: String,
    /// Only TCP to or from this port, as a client names it. None: everything.
    pub port: Option<u16>,
    /// One packet in so many is dropped, by chance; 1 cuts the link, and is the default where there is no delay.
    pub drop_one_in: Option<NonZeroU32>,
    /// What pods of this cluster send and get by new TCP connections is late by so many milliseconds, each way…
    #[serde(default)]
    pub delay_ms: u16,
    /// …more or less so many, by chance.
    #[serde(default)]
    pub jitter_ms: u16,
}

impl LinkFault {
    fn drops(&self) -> Option<NonZeroU32> {
        self.drop_one_in.or((self.delay_ms == 0).then_some(NonZeroU32::MIN))
    }
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
    /// Nothing can be early.
    #[error("jitterMs {jitter}: use at most delayMs, {delay}")]
    Jitter {
        /// As given.
        jitter: u16,
        /// As given.
        delay: u16,
    },
    /// Delayed connections have no relay.
    #[error("relay for delayed connections: {0}")]
    Relay(#[source] io::Error),
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
    peers: BTreeMap<String, Peer>,
    faults: Vec<LinkFault>,
    /// Takes delayed connections; there once there are any.
    relay: Option<Arc<Relay>>,
}

/// Another cluster's router.
#[derive(Debug, Clone)]
struct Peer {
    /// This router's end of the link to it.
    end: End,
    address: Ipv4Addr,
    /// What is reached there.
    range: Cidr,
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
        let link = |(cluster, peer): (&String, &Peer)| {
            let faults = self.faults.iter().filter(|fault| fault.cluster == *cluster);
            let loss = |fault: &LinkFault| Some(Loss { port: fault.port, one_in: fault.drops()? });
            let late = faults.clone().filter(|fault| fault.delay_ms > 0);
            let relay = self.relay.as_ref().map(|relay| relay.address());
            let detour = |fault: &LinkFault| Some(Detour { range: peer.range.into(), port: fault.port, relay: relay? });
            Link {
                name: peer.end.link.clone(),
                peer: peer.address,
                losses: faults.filter_map(loss).collect(),
                detours: late.filter_map(detour).collect(),
            }
        };
        self.peers.iter().map(link).collect()
    }

    fn delays(&self) -> Vec<Delay> {
        let delay = |fault: &LinkFault| {
            let (delay, jitter) = (fault.delay_ms, fault.jitter_ms);
            let range = self.peers.get(&fault.cluster)?.range;
            (delay > 0).then_some(Delay { range, port: fault.port, delay, jitter })
        };
        self.faults.iter().filter_map(delay).collect()
    }

    fn check(&self, faults: &[LinkFault]) -> Result<(), BadFault> {
        for LinkFault { cluster, delay_ms: delay, jitter_ms: jitter, .. } in faults {
            if !self.peers.contains_key(cluster) {
                let joined = self.peers.keys().cloned().collect();
                return Err(BadFault::UnknownCluster { cluster: cluster.clone(), joined });
            }
            if jitter > delay {
                return Err(BadFault::Jitter { jitter: *jitter, delay: *delay });
            }
        }
        Ok(())
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
        let to_other = Peer { end: here.clone(), address: there.address, range: others };
        let to_self = Peer { end: there.clone(), address: here.address, range: own };
        self.admit(&other.name, to_other).await?;
        other.admit(&self.name, to_self).await?;
        let namespace = other.thread.run(|| File::open("/proc/thread-self/ns/net")).await??;
        self.links.pair(&here, &there, &namespace).await?;
        self.links.connect(&here, &there, others).await?;
        other.links.connect(&there, &here, own).await
    }

    async fn admit(&self, cluster: &str, peer: Peer) -> io::Result<()> {
        let mut state = self.joins.state.lock().await;
        let mut next = state.clone();
        next.peers.insert(cluster.to_owned(), peer);
        self.filter(&next).await?;
        self.joins.count.send_replace(next.peers.len());
        *state = next;
        Ok(())
    }

    /// Replaces what goes wrong on the links.
    pub(crate) async fn set_faults(&self, faults: Vec<LinkFault>) -> Result<(), BadFault> {
        let mut state = self.joins.state.lock().await;
        state.check(&faults)?;
        let mut next = State { faults, ..state.clone() };
        let delays = next.delays();
        if next.relay.is_none() && !delays.is_empty() {
            let relay = Relay::start(&self.thread, self.address).await;
            next.relay = Some(Arc::new(relay.map_err(BadFault::Relay)?));
        }
        self.filter(&next).await.map_err(BadFault::Filter)?;
        if let Some(relay) = &next.relay {
            relay.set(delays);
        }
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
