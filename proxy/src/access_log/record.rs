//! What is told of a request or a connection when it is over: by the access log and by taps, in the same words
//! (docs/access-log.md). Never what it carried: no query, no field of a head, no body.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use isthmus_core::{
    id::{ObjectName, SpiffeId},
    telemetry::{Workload, settings::LogFormat},
    trace::TraceId,
};

use super::{
    memo::{Alike, Memo},
    time::Stamp,
};

/// One of them. What is `None` isn't there, or isn't known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record<'a> {
    pub(crate) ended: Option<Stamp>,
    pub(crate) direction: &'static str,
    pub(crate) protocol: &'static str,
    pub(crate) client: Option<SocketAddr>,
    /// The identity at the other end.
    pub(crate) peer: Option<&'a SpiffeId>,
    /// The same as a workload.
    pub(crate) workload: Option<Arc<Workload>>,
    pub(crate) service: Option<&'a str>,
    pub(crate) method: Option<&'a str>,
    pub(crate) path: Option<&'a str>,
    pub(crate) status: Option<u16>,
    pub(crate) grpc_status: Option<u32>,
    /// The TrafficTarget that let it in.
    pub(crate) grant: Option<&'a ObjectName>,
    pub(crate) deny: Option<&'static str>,
    pub(crate) error: Option<&'static str>,
    pub(crate) took: Duration,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) split: Option<&'a str>,
    pub(crate) backend: Option<&'a str>,
    pub(crate) endpoint: Option<SocketAddr>,
    /// Tries beyond the first.
    pub(crate) retries: u32,
    pub(crate) trace: Option<TraceId>,
    pub(crate) alike: Alike<'a>,
}

/// A field's name as each form writes it before the value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name {
    pub(crate) json: &'static str,
    /// The same, of a value in quotes.
    pub(crate) quoted: &'static str,
    pub(crate) text: &'static str,
}

macro_rules! name {
    ($name:literal) => {
        Name { json: concat!(",\"", $name, "\":"), quoted: concat!(",\"", $name, "\":\""), text: concat!($name, "=") }
    };
}

/// Takes a record's fields one after the other.
pub(crate) trait Fields {
    /// How they look.
    const FORMAT: LogFormat;
    /// The line, with all that were told so far.
    fn line(&mut self) -> &mut Vec<u8>;
    /// A text that users or the network have had a say in.
    fn text(&mut self, name: Name, value: &str);
    /// A text of letters, digits and marks that need no care.
    fn plain(&mut self, name: Name, value: &str) {
        self.ascii(name, value.as_bytes());
    }
    /// The same, in bytes.
    fn ascii(&mut self, name: Name, value: &[u8]);
    /// The same, of what shows itself so.
    fn shown(&mut self, name: Name, value: impl std::fmt::Display);
    fn number(&mut self, name: Name, value: u64);
    fn address(&mut self, name: Name, value: SocketAddr);
    /// The name of an object.
    fn object(&mut self, name: Name, value: &ObjectName);
    /// Fields that are the same in every line of this process.
    fn constant(&mut self, json: &'static str, text: &'static str);

    /// Fields that are the same in all records that share the memo.
    fn once(&mut self, memo: &Memo, tell: impl FnOnce(&mut Self)) {
        if let Some(part) = memo.part(Self::FORMAT) {
            return self.line().extend_from_slice(part);
        }
        let from = self.line().len();
        tell(self);
        memo.keep(Self::FORMAT, self.line().get(from..).unwrap_or_default());
    }

    /// A text, if there is any.
    fn some(&mut self, name: Name, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.text(name, value);
        }
    }
}

impl Record<'_> {
    /// Did it go wrong, or was it denied? Such ones are told whatever is sampled.
    pub(crate) fn is_remarkable(&self) -> bool {
        self.deny.is_some() || self.error.is_some() || self.status.is_some_and(|status| status == 0 || status >= 500)
    }

    /// Tells all that there is, always in this order.
    pub(crate) fn tell(&self, to: &mut impl Fields) {
        if let Some(ended) = self.ended {
            to.ascii(name!("timestamp"), ended.as_bytes());
        }
        to.constant(r#","level":"INFO","target":"access""#, "level=INFO target=access");
        to.plain(name!("direction"), self.direction);
        to.plain(name!("protocol"), self.protocol);
        match &self.alike {
            Alike::No => {
                self.tell_client(to);
                self.tell_callee(to);
            }
            Alike::Connection(memo) => to.once(memo, |to| {
                self.tell_client(to);
                self.tell_callee(to);
            }),
            Alike::Endpoint(memo) => {
                self.tell_client(to);
                to.once(memo, |to| self.tell_callee(to));
            }
        }
        if self.retries > 0 {
            to.number(name!("retries"), self.retries.into());
        }
        if let Some(method) = self.method {
            to.text(name!("method"), method);
        }
        if let Some(path) = self.path {
            to.text(name!("path"), path);
        }
        if let Some(status) = self.status {
            to.number(name!("status"), status.into());
        }
        if let Some(status) = self.grpc_status {
            to.number(name!("grpc_status"), status.into());
        }
        if let Some(grant) = self.grant {
            to.object(name!("grant"), grant);
        }
        if let Some(deny) = self.deny {
            to.plain(name!("deny"), deny);
        }
        if let Some(error) = self.error {
            to.plain(name!("error"), error);
        }
        to.number(name!("duration_us"), u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX));
        to.number(name!("bytes_in"), self.received);
        to.number(name!("bytes_out"), self.sent);
        if let Some(trace) = self.trace {
            to.shown(name!("trace_id"), trace);
        }
    }
    fn tell_client(&self, to: &mut impl Fields) {
        if let Some(client) = self.client {
            to.address(name!("client"), client);
        }
    }

    /// Who is at the other end, and what was called there.
    fn tell_callee(&self, to: &mut impl Fields) {
        to.some(name!("peer"), self.peer.map(SpiffeId::as_str));
        if let Some(workload) = &self.workload {
            to.text(name!("peer_mesh"), &workload.mesh);
            to.some(name!("peer_namespace"), Some(&workload.namespace));
            to.some(name!("peer_kind"), Some(&workload.kind));
            to.some(name!("peer_workload"), Some(&workload.name));
            to.some(name!("peer_pod"), Some(&workload.pod));
        }
        to.some(name!("service"), self.service);
        to.some(name!("split"), self.split);
        to.some(name!("backend"), self.backend);
        if let Some(endpoint) = self.endpoint {
            to.address(name!("endpoint"), endpoint);
        }
    }
}
