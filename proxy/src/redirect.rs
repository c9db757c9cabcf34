//! `isthmus redirect`: the rules that bring a pod's traffic to its sidecar. Run once, as the pod's init container.

use isthmus_netfilter::{Cidr, RedirectConfig, redirect};

use crate::config::{ADMIN_PORT, INBOUND_PORT, OUTBOUND_PORT, PROXY_UID};

/// What goes through the sidecar, and what doesn't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectArgs {
    /// Port of the sidecar for arriving connections.
    pub inbound_port: u16,
    /// Port of the sidecar for departing connections.
    pub outbound_port: u16,
    /// User that the sidecar runs as.
    pub proxy_uid: Option<u32>,
    /// Mark of the sidecar's sockets, where users can't be told apart.
    pub proxy_mark: Option<u32>,
    /// Container ports that are reached directly; the admin port should be among them.
    pub skip_inbound_ports: Vec<u16>,
    /// Ports that the pod calls directly.
    pub skip_outbound_ports: Vec<u16>,
    /// Addresses that the pod calls directly.
    pub skip_outbound_cidrs: Vec<isthmus_core::inbound::Cidr>,
}

impl Default for RedirectArgs {
    fn default() -> Self {
        Self {
            inbound_port: INBOUND_PORT,
            outbound_port: OUTBOUND_PORT,
            proxy_uid: Some(PROXY_UID),
            proxy_mark: None,
            skip_inbound_ports: vec![ADMIN_PORT],
            skip_outbound_ports: Vec::new(),
            skip_outbound_cidrs: Vec::new(),
        }
    }
}

/// Why the rules aren't in place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// Neither user nor mark: the sidecar's own connections would be sent back to it.
    #[error("neither the proxy's user nor its mark is given: give one, or its own connections would come back to it")]
    NoExemption,
    /// One port can't be both.
    #[error("inbound and outbound port are both {0}: they must differ")]
    SamePort(u16),
    /// The kernel refused.
    #[error("nf_tables: {0}; the init container needs the capability NET_ADMIN, and the kernel nf_tables with NAT")]
    Kernel(#[from] isthmus_netfilter::Error),
}

/// Puts the rules into the calling process's network namespace; doing it again replaces them.
pub fn run(args: &RedirectArgs) -> Result<(), RedirectError> {
    if args.inbound_port == args.outbound_port {
        return Err(RedirectError::SamePort(args.inbound_port));
    }
    if args.proxy_uid.is_none() && args.proxy_mark.is_none() {
        return Err(RedirectError::NoExemption);
    }
    let cidr = |c: &isthmus_core::inbound::Cidr| Cidr { address: c.addr, prefix: c.prefix };
    redirect(&RedirectConfig {
        inbound_port: args.inbound_port,
        outbound_port: args.outbound_port,
        proxy_uid: args.proxy_uid,
        proxy_mark: args.proxy_mark,
        // The sidecar serves its own pod's calls to itself inside the process, and reaches the app by the pod's address.
        own_address_inbound: false,
        bypass_mark: None,
        skip_inbound_ports: args.skip_inbound_ports.clone(),
        skip_outbound_ports: args.skip_outbound_ports.clone(),
        skip_outbound_cidrs: args.skip_outbound_cidrs.iter().map(cidr).collect(),
    })
    .apply()?;
    tracing::info!(
        inbound = args.inbound_port,
        outbound = args.outbound_port,
        "the pod's traffic goes through its proxy"
    );
    Ok(())
}
