//! What a case does, and what it expects.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::Value;

use super::ApiCall;

/// One thing that is done, or everything that is expected at one time.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Objects are applied, and waited for until they are in effect.
    Apply(Vec<Value>),
    /// The same; the API server may refuse them too. For what no mesh need take.
    TryApply(Vec<Value>),
    /// Objects are deleted: `<Kind>/<name>`.
    Delete(Vec<String>),
    /// A program is given so many pods.
    Scale {
        /// Which program.
        app: String,
        /// How many pods.
        replicas: u32,
    },
    /// TCP connections are opened, and stay: `<name>: <check>`.
    Hold(BTreeMap<String, Check>),
    /// Each holds, all at the same time.
    Expect(Vec<Check>),
    /// A request to the API server, and what it answers. A GET is repeated until it answers so.
    Api(ApiCall),
    /// Connections that were opened are closed by now.
    Closed(Vec<String>),
    /// Connections that were opened are still there.
    Open(Vec<String>),
    /// One of `apply`, `try-apply`, `delete` and `api`, in the peer's cluster.
    Peer(#[serde(deserialize_with = "of_cluster")] Box<Step>),
}

impl Step {
    /// What it applies.
    pub(crate) fn objects_mut(&mut self) -> &mut [Value] {
        match self {
            Self::Apply(objects) | Self::TryApply(objects) => objects,
            Self::Peer(step) => step.objects_mut(),
            _ => &mut [],
        }
    }
}

/// What is about a cluster and not about traffic: programs are where the case has them.
fn of_cluster<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<Step>, D::Error> {
    let step = Step::deserialize(deserializer)?;
    match step {
        Step::Apply(_) | Step::TryApply(_) | Step::Delete(_) | Step::Api(_) => Ok(Box::new(step)),
        _ => Err(D::Error::custom(
            "peer: only apply, try-apply, delete and api; say where a program is by its own peer: true",
        )),
    }
}

/// Requests, and what comes of them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The program that sends them.
    pub from: String,
    /// The Service that they are sent to.
    pub to: String,
    /// The other namespace that it is in.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The Service's port.
    #[serde(default = "http_port")]
    pub port: u16,
    /// How they are sent.
    #[serde(default)]
    pub protocol: Protocol,
    /// Of HTTP.
    #[serde(default = "get")]
    pub method: String,
    /// Of HTTP, with its query.
    #[serde(default = "echo")]
    pub path: String,
    /// Of HTTP.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How many.
    #[serde(default = "once")]
    pub times: u32,
    /// What comes of each of them.
    #[serde(default)]
    pub is: Answer,
    /// Which programs answer, each with its share in percent: exactly, where that is 0 or 100.
    #[serde(default)]
    pub by: Option<Shares>,
    /// The container's port that they reach.
    #[serde(default)]
    pub at: Option<u16>,
    /// By how many different pods they are answered.
    #[serde(default)]
    pub pods: Option<usize>,
    /// Of HTTP: the SPIFFE ID of the caller, as the program that answers was told it.
    #[serde(default)]
    pub caller: Option<String>,
}

/// Shares in percent, by program.
pub type Shares = BTreeMap<String, u32>;

/// How a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http,
    /// HTTP/2, which the callee is known to speak: as gRPC does it.
    Http2,
    /// A line over TCP, whose server speaks it.
    Tcp,
}

/// What comes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// A program of the case answers it.
    #[default]
    Allowed,
    /// It is refused, in whatever form the mesh does that: no program answers.
    Denied,
    /// It is refused by HTTP 403, and nothing else.
    Forbidden,
    /// There is nobody for it: HTTP 502, 503 or 504, or no connection.
    Unavailable,
}

/// The port at which programs speak HTTP.
pub(crate) const HTTP: u16 = 9091;
/// The port at which they answer lines over TCP.
pub(crate) const TCP: u16 = 9092;
/// A second port for HTTP.
pub(crate) const HTTP_ALT: u16 = 9093;

fn http_port() -> u16 {
    HTTP
}

fn get() -> String {
    "GET".to_owned()
}

fn echo() -> String {
    "/echo".to_owned()
}

fn once() -> u32 {
    1
}
