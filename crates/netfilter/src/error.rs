//! What can go wrong between a ruleset and the kernel.

use std::io;

/// Why the kernel doesn't hold the ruleset that was asked for. The namespace is then as it was before: a batch is all or nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The netlink socket couldn't be opened, written or read.
    #[error("netfilter netlink socket: {step}: {source}")]
    Socket {
        /// What was being done: `open`, `send`, `receive`.
        step: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The kernel refused one message of the batch.
    #[error("the kernel refused to {what}: {source}{}", remedy(.source))]
    Refused {
        /// The message in words, such as `add chain inbound of table isthmus_redirect`.
        what: String,
        /// The kernel's errno.
        source: io::Error,
    },
    /// The kernel answered nothing that tells the fate of the batch.
    #[error("the kernel gave no answer to a batch of {messages} nf_tables messages")]
    NoAnswer {
        /// How many messages were sent.
        messages: usize,
    },
    /// An attribute would be longer than netlink's 65,535 bytes.
    #[error("{what} is too long for a netlink attribute (at most 65535 bytes)")]
    TooLong {
        /// The message in words.
        what: String,
    },
    /// A table, chain or set has a name that the kernel can't hold.
    #[error("the name {name:?} must have 1 to 255 bytes and no zero byte")]
    Name {
        /// The name as given.
        name: String,
    },
}

/// The usual reason behind an errno that says too little by itself.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            " (CAP_NET_ADMIN is needed in the user namespace that owns this network namespace; \
             in a pod, ask for it in securityContext.capabilities.add)"
        }
        io::ErrorKind::NotFound | io::ErrorKind::Unsupported => {
            " (this kernel may lack a part of nf_tables: CONFIG_NF_TABLES_INET, CONFIG_NFT_NAT, CONFIG_NFT_REDIR, CONFIG_NFT_MASQ)"
        }
        _ => "",
    }
}
