//! A small nf_tables client over nfnetlink: redirects and NAT without the `nft` binary.
//!
//! A [`Ruleset`] describes one table as a whole. [`Ruleset::apply`] puts it into the calling thread's network namespace in a
//! single kernel transaction: whatever the table held before is gone, and no packet ever meets a half-written table.
//!
//! Three rulesets are ready made: [`redirect`] sends a pod's TCP traffic through its proxy, [`services`] gives the addresses of a
//! node's Services their endpoints, and [`links`] keeps routers apart that are joined by a link.

mod error;
mod expr;
mod links;
mod match_address;
mod redirect;
mod refuse;
mod ruleset;
mod services;
mod socket;
mod wire;

/// Doors to the parsers, for the fuzz targets alone (docs/fuzzing.md).
#[cfg(fuzzing)]
pub mod fuzzing {
    /// A datagram of the kernel's answers.
    pub fn answers(bytes: &[u8]) {
        drop(crate::wire::answers(bytes));
    }
}

pub use error::Error;
pub use expr::{Cmp, Expr, MetaKey, NatKind, Payload, Reg, RejectWith, Verdict};
pub use links::{Detour, Link, Loss, TABLE as LINKS_TABLE, links};
pub use match_address::Cidr;
pub use redirect::{RedirectConfig, TABLE as REDIRECT_TABLE, redirect, remove_redirect};
pub use ruleset::{ChainType, Element, Family, Hook, Ruleset, Set, SetData, remove_table};
pub use services::{Protocol, ServicePort, TABLE as SERVICES_TABLE, services};
