//! Where a service's log can't be written, the service goes on.

#![cfg(all(feature = "proxy", feature = "controller"))]
#![allow(clippy::panic, clippy::unwrap_used)]

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant, SystemTime},
};

use isthmus_core::id::TrustDomain;
use isthmus_identity::Authority;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of a request's path, and so of its line in the access log.
const PATH: usize = 8000;
/// Many times what queue and pipe hold.
const MOST_REQUESTS: usize = 2000;

/// A role of the program, with nobody whom it could reach; killed when dropped.
struct Service {
    process: Child,
    admin: SocketAddr,
}

/// An address that nobody else has.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Service {
    fn start(args: &[&str], env: (&str, &OsStr), stderr: impl Into<Stdio>) -> Self {
        let admin = free();
        let mut command = Command::new(env!("CARGO_BIN_EXE_isthmus"));
        command.args(args).args(["--admin", &admin.to_string()]).env(env.0, env.1).stderr(stderr);
        Self { process: command.spawn().unwrap(), admin }
    }

    fn proxy(outbound: SocketAddr, stderr: impl Into<Stdio>) -> Self {
        let domain = TrustDomain::new("isthmus.local").unwrap();
        let root = Authority::generate(domain, SystemTime::now(), Duration::from_secs(3600)).unwrap();
        let (inbound, outbound) = (free().to_string(), outbound.to_string());
        let controller = "spiffe://isthmus.local/ns/isthmus-system/sa/isthmus-controller";
        let flags = ["--control-addr", "127.0.0.1:1", "--controller-id", controller, "--namespace", "shop"];
        let others = ["--pod", "web", "--inbound", &inbound, "--outbound", &outbound];
        let bundle = root.to_pem().certificate;
        Self::start(&[&["proxy"], &flags[..], &others].concat(), ("ISTHMUS_TRUST_BUNDLE", bundle.as_ref()), stderr)
    }

    fn controller(kubeconfig: &Path, stderr: impl Into<Stdio>) -> Self {
        let flags = ["controller", "--grpc", "127.0.0.1:0", "--webhook", "127.0.0.1:0"];
        Self::start(&flags, ("KUBECONFIG", kubeconfig.as_ref()), stderr)
    }

    /// The status and body of a request, on a connection of its own.
    fn get(&mut self, to: SocketAddr, path: &str) -> (u16, String) {
        let deadline = Instant::now() + PATIENCE;
        let mut stream = loop {
            match TcpStream::connect(to) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            assert!(self.process.try_wait().unwrap().is_none(), "it has ended");
            std::thread::yield_now();
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_else(|| panic!("{answer:?}")), answer)
    }

    /// Lines that it couldn't write.
    fn dropped(&mut self) -> u64 {
        let (status, metrics) = self.get(self.admin, "/metrics");
        assert_eq!(status, 200);
        let line = metrics.lines().find_map(|line| line.strip_prefix("isthmus_log_lines_dropped_total "));
        line.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
    }

    /// It ends when it is told to.
    fn end(&mut self) -> ExitStatus {
        kill(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGTERM).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it goes on");
            std::thread::yield_now();
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A full disk costs lines.
fn goes_on_where_nothing_can_be_written(mut service: Service) {
    let deadline = Instant::now() + PATIENCE;
    while service.dropped() == 0 {
        assert!(Instant::now() < deadline, "no line was dropped");
        std::thread::yield_now();
    }
    let (status, waiting) = service.get(service.admin, "/ready");
    assert_eq!(status, 503, "{waiting}");
    assert!(service.end().success());
}

#[test]
fn a_proxy_runs_with_a_full_disk() {
    goes_on_where_nothing_can_be_written(Service::proxy(free(), File::create("/dev/full").unwrap()));
}

#[test]
fn a_controller_runs_with_a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let config =
        "{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}],
        clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}], users: [{name: a, user: {}}]}";
    fs::write(&kubeconfig, config).unwrap();
    goes_on_where_nothing_can_be_written(Service::controller(&kubeconfig, File::create("/dev/full").unwrap()));
}

/// Each request has a line in the log; when nobody reads them and there is no more room, requests are answered all the same.
#[test]
fn a_log_that_nobody_reads_holds_up_nothing() {
    let (unread, stderr) = std::io::pipe().unwrap();
    let outbound = free();
    let mut proxy = Service::proxy(outbound, stderr);
    let path = format!("/{}", "a".repeat(PATH));
    let mut sent = 0;
    while proxy.dropped() == 0 {
        assert!(sent < MOST_REQUESTS, "{sent} lines of {PATH} bytes and none was dropped");
        // The outbound port is an HTTP proxy for those who weren't redirected, and this request names no host in its target.
        assert_eq!(proxy.get(outbound, &path).0, 400);
        sent += 1;
    }
    for _ in 0..10 {
        assert_eq!(proxy.get(outbound, &path).0, 400);
    }
    assert!(proxy.end().success());
    drop(unread);
}

/// Why it ends can't be told, but by its exit code.
#[test]
fn a_failure_with_a_full_disk_is_no_panic() {
    let taken = TcpListener::bind("[::]:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (args, code) in
        [(&["app", "--port", &port][..], 1), (&["redirect", "--inbound-port", "1", "--outbound-port", "1"], 64)]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isthmus"));
        let status = command.args(args).stderr(File::create("/dev/full").unwrap()).status().unwrap();
        assert_eq!(status.code(), Some(code), "{args:?}");
    }
}
