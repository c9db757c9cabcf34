//! What a workload lets in: the compiled form of the TrafficTargets that select it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use serde::{Deserialize, Serialize};

use crate::{
    destination::ProtocolHint,
    http_match::HttpMatch,
    id::{ObjectName, SpiffeId, SpiffePrefix, TrustDomain},
};

/// What happens to a request that no grant covers (design §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyMode {
    /// Denied: SMI's default.
    #[default]
    Enforce,
    /// Let through, counted and logged as what would have been denied.
    Audit,
    /// Let through; no authorization at all.
    Permissive,
}

/// Ports of one transport.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PortSet {
    /// Every port.
    All,
    /// These, by container port (smi.md §5 A22). Empty: none.
    Only(BTreeSet<u16>),
}

impl PortSet {
    /// Is the port in the set?
    pub fn contains(&self, port: u16) -> bool {
        match self {
            Self::All => true,
            Self::Only(ports) => ports.contains(&port),
        }
    }
}

/// How far a grant reaches into HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpScope {
    /// The grant is about the port alone: raw TCP and any HTTP request (smi.md §5 A4).
    Opaque,
    /// Only HTTP requests that one of these matches; raw TCP isn't granted. Empty: nothing.
    Only(Vec<HttpMatch>),
}

/// Who may call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// Every workload that has this identity.
    Identity(SpiffeId),
    /// The workloads of this identity at these addresses: an IdentityBinding's `podLabelSelector`, resolved.
    Pods(SpiffeId, BTreeSet<IpAddr>),
    /// Every workload whose identity is below this path.
    Below(SpiffePrefix),
}

/// Ports that other meshes may reach at all: an ExportedService, resolved for one pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Export {
    /// The ExportedService.
    pub name: ObjectName,
    /// The pod's container ports behind it.
    pub ports: BTreeSet<u16>,
    /// The trust domains of the meshes that it is for.
    pub to: BTreeSet<TrustDomain>,
}

/// One TrafficTarget as seen by its destination. Grants only ever add (union).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The TrafficTarget.
    pub name: ObjectName,
    /// Any of these may call.
    pub sources: Vec<Source>,
    /// TCP ports granted; `None` grants no TCP.
    pub tcp: Option<PortSet>,
    /// UDP ports granted; `None` grants no UDP.
    pub udp: Option<PortSet>,
    /// Reach into HTTP on the TCP ports.
    pub http: HttpScope,
}

/// An address prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    /// Network address.
    pub addr: IpAddr,
    /// Prefix length in bits.
    pub prefix: u8,
}

impl Cidr {
    /// Is the address in the prefix? IPv4-mapped IPv6 addresses count as IPv4.
    pub fn contains(&self, addr: IpAddr) -> bool {
        let bits = |a: IpAddr| match a.to_canonical() {
            IpAddr::V4(v4) => (u128::from(u32::from(v4)) << 96, 32),
            IpAddr::V6(v6) => (u128::from(v6), 128),
        };
        let ((network, width), (candidate, other)) = (bits(self.addr), bits(addr));
        let prefix = u32::from(self.prefix);
        width == other && (prefix == 0 || (network ^ candidate) >> (128 - prefix.min(width)) == 0)
    }
}

impl std::str::FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not an address or a prefix like 10.0.0.0/8");
        let (addr, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let addr: IpAddr = addr.parse().map_err(|_| bad())?;
        let width = if addr.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(width), str::parse).map_err(|_| bad())?;
        if prefix > width { Err(bad()) } else { Ok(Self { addr, prefix }) }
    }
}

/// What needs no identity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exemptions {
    /// Ports open to plaintext, by the annotation `isthmus.mesh/plaintext-ports`.
    pub ports: BTreeSet<u16>,
    /// Addresses that may send plaintext, by the annotation `isthmus.mesh/plaintext-sources`.
    pub sources: Vec<Cidr>,
    /// Addresses of the pod's node: where its kubelet's probes come from.
    pub node: Vec<IpAddr>,
    /// The probes that the pod declares: port, and path for HTTP ones (`None`: a TCP probe).
    pub probes: Vec<(u16, Option<String>)>,
}

/// All that a proxy needs to decide about what comes in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InboundPolicy {
    /// What to do with what isn't granted.
    pub mode: PolicyMode,
    /// The grants, in the order of their names.
    pub grants: Vec<Grant>,
    /// What needs no identity.
    pub exempt: Exemptions,
    /// What is known of the protocols of the workload's ports.
    pub protocols: BTreeMap<u16, ProtocolHint>,
    /// The mesh's own trust domain: identities of any other are let in only where [`Self::exports`] says so, whatever the mode and
    /// the grants. `None`: there are no others.
    pub trust_domain: Option<TrustDomain>,
    /// What other meshes may reach.
    pub exports: Vec<Export>,
}

impl InboundPolicy {
    /// May an identity reach the port as far as the border between meshes is concerned?
    pub fn is_within_reach(&self, identity: &SpiffeId, port: u16) -> bool {
        let domain = identity.trust_domain();
        self.trust_domain.as_ref().is_none_or(|own| own == domain)
            || self.exports.iter().any(|export| export.ports.contains(&port) && export.to.contains(domain))
    }
}
