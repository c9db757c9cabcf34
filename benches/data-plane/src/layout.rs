//! Two pods with everything in them: redirects, proxies, and the application.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use tempfile::TempDir;

use crate::{
    case::Case,
    control::{self, Control},
    echo::Echo,
    isthmus,
    namespace::{self, CALLEE, Namespace, PODS, SERVICE},
    peer::{INBOUND_PORT, OUTBOUND_PORT, Peer},
    process::Process,
    telemetry::COLLECTOR_PORT,
};

/// Mark of the sidecars' own sockets.
pub(crate) const MARK: u32 = 0x1574;

/// How long the sidecars' certificates live: longer than a run.
const LIFETIME: Duration = Duration::from_hours(24);

/// Two pods, running. Fields are dropped in this order: proxies before what they use.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) proxies: Vec<Process>,
    _control: Option<Control>,
    echo: Echo,
    pub(crate) caller: Namespace,
    _callee: Namespace,
    _dir: TempDir,
    /// What the client calls.
    pub(crate) target: SocketAddr,
    /// Admin servers to ask whether the proxies are ready.
    pub(crate) admins: Vec<SocketAddr>,
}

/// The programs that are measured.
#[derive(Debug)]
pub(crate) struct Programs {
    /// The sidecar, and the redirect for all.
    pub(crate) isthmus: PathBuf,
    /// Those of the other projects that were found.
    pub(crate) found: Vec<(Peer, PathBuf)>,
}

impl Layout {
    /// Starts the pods of a case. `telemetry` are our own sidecars' flags of what they tell.
    pub(crate) fn start(programs: &Programs, case: Case, peer: Peer, telemetry: &[String]) -> anyhow::Result<Self> {
        let dir = TempDir::with_prefix("isthmus-bench-")?;
        let (caller, callee) = namespace::pair()?;
        let echo = Echo::start(&callee)?;
        let protocol = case.protocol();
        let mut layout = Self {
            proxies: Vec::new(),
            _control: None,
            echo,
            caller,
            _callee: callee,
            _dir: dir,
            target: (SERVICE, protocol.service_port()).into(),
            admins: Vec::new(),
        };
        if peer == Peer::None {
            layout.target = (CALLEE, protocol.app_port()).into();
            return Ok(layout);
        }
        let namespaces = (&layout.caller, &layout._callee);
        redirect(&programs.isthmus, namespaces.0, layout._dir.path())?;
        if case.two_hops() {
            redirect(&programs.isthmus, namespaces.1, layout._dir.path())?;
        }
        if peer == Peer::Isthmus {
            let control = isthmus::control(&layout.caller, &[protocol], case.two_hops(), LIFETIME)?;
            let dir = layout._dir.path();
            layout.proxies =
                isthmus::sidecars(&programs.isthmus, case.two_hops(), namespaces, &control, dir, telemetry)?;
            layout._control = Some(control);
            layout.admins = admins(case.two_hops());
        } else {
            let (_, program) = programs.found.iter().find(|(p, _)| *p == peer).context("the peer was not found")?;
            layout.proxies = peer.start(program, case, namespaces, layout._dir.path())?;
        }
        Ok(layout)
    }

    /// Fails when a part of it has ended.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        self.echo.check()?;
        self.proxies.iter_mut().try_for_each(Process::check)
    }

    /// The last words of the proxies, for an error.
    pub(crate) fn said(&self) -> String {
        self.proxies.iter().map(Process::said).collect::<Vec<_>>().join("\n")
    }
}

/// Where the sidecars' admin servers are, as seen from the caller.
pub(crate) fn admins(two_hops: bool) -> Vec<SocketAddr> {
    let caller = (std::net::Ipv4Addr::LOCALHOST, isthmus::ADMIN_PORT).into();
    let callee = two_hops.then(|| (CALLEE, isthmus::ADMIN_PORT).into());
    std::iter::once(caller).chain(callee).collect()
}

/// The kernel's redirect, the same for every proxy: the sidecars' sockets carry a mark, and what the others send goes to
/// the pods' own prefix.
pub(crate) fn redirect(isthmus: &Path, namespace: &Namespace, dir: &Path) -> anyhow::Result<()> {
    let mut command: Vec<OsString> = vec![isthmus.into(), "redirect".into()];
    command.extend(args([
        ("--inbound-port", INBOUND_PORT.to_string()),
        ("--outbound-port", OUTBOUND_PORT.to_string()),
        ("--proxy-mark", MARK.to_string()),
        ("--skip-inbound-ports", format!("{},{}", control::PORT, COLLECTOR_PORT)),
        ("--skip-outbound-cidrs", PODS.into()),
    ]));
    Process::run(namespace, "isthmus-redirect", command, dir)
}

impl Programs {
    /// Finds the programs of these peers, and says how to get those that are missing.
    pub(crate) fn find(isthmus: PathBuf, peers: &[Peer]) -> Self {
        let mut found = Vec::new();
        for peer in peers {
            match (peer.program(), peer.find()) {
                (Some(_), Some(program)) => found.push((*peer, program)),
                (Some(name), None) => println!("{name} isn't here and is left out; to have it: {}", peer.install()),
                (None, _) => {}
            }
        }
        Self { isthmus, found }
    }

    /// Can this peer be measured in this case? Says why not.
    pub(crate) fn serve(&self, peer: Peer, case: Case) -> bool {
        if peer.program().is_none() {
            return true;
        }
        let Some((_, program)) = self.found.iter().find(|(found, _)| *found == peer) else { return false };
        let serves = peer.serves(program, case);
        if !serves {
            println!("{} is left out of {}; to have it: {}", peer.name(), case.name(), peer.install());
        }
        serves
    }
}

/// Flags with their values, in one word each, so that a value may begin with a dash.
pub(crate) fn args<const N: usize>(pairs: [(&str, String); N]) -> [OsString; N] {
    pairs.map(|(flag, value)| format!("{flag}={value}").into())
}
