//! The far end of `isthmus federation check`: one look from where a pod is, told as JSON. It changes nothing.

mod dial;
mod request;

use std::net::SocketAddr;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::roles;

#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// What to look at, as JSON
    #[arg(value_parser = |text: &str| serde_json::from_str::<Probe>(text))]
    probe: Probe,
}

/// What to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Probe {
    /// A connection, and a TLS handshake on it.
    Dial(Dial),
    /// A request through a sidecar.
    Request(Request),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Dial {
    /// `host:port`.
    pub(crate) address: String,
    /// SNI.
    pub(crate) server_name: String,
    pub(crate) alpn: String,
    /// The SPIFFE IDs of which the other end must show one.
    pub(crate) identities: Vec<String>,
    /// The bundle document that they are verified by; they are all of one trust domain.
    pub(crate) bundle: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    /// The sidecar's outbound port.
    pub(crate) proxy: SocketAddr,
    pub(crate) url: String,
}

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Each step that was taken; the last may have failed.
    pub(crate) steps: Vec<Step>,
}

/// A step on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) kind: Kind,
    /// What was seen, or the fault.
    pub(crate) found: Result<String, String>,
}

/// The steps, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    /// A name has an address.
    Dns,
    /// A connection.
    Tcp,
    /// A handshake.
    Tls,
    /// Who the other end is.
    Identity,
    /// An answer to a request.
    Answer,
}

impl Seen {
    fn good(&mut self, kind: Kind, what: impl Into<String>) {
        self.steps.push(Step { kind, found: Ok(what.into()) });
    }

    fn bad(mut self, kind: Kind, why: impl Into<String>) -> Self {
        self.steps.push(Step { kind, found: Err(why.into()) });
        self
    }
}

/// Prints what was seen; that something was amiss is no failure of the probe.
pub(crate) fn run(args: ProbeArgs) -> anyhow::Result<()> {
    let looking = async {
        Ok(match args.probe {
            Probe::Dial(dial) => dial::look(&dial).await?,
            Probe::Request(request) => request::look(&request).await?,
        })
    };
    let seen: Seen = roles::on_one_thread(looking)?;
    println!("{}", serde_json::to_string(&seen)?);
    Ok(())
}

#[cfg(test)]
mod tests;
