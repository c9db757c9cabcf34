//! The process that is measured.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
};

use crate::cluster::Cluster;

/// How long it may take to be ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// Length of the clock tick that CPU times are told in: `USER_HZ`, 100 on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// A running controller. It ends with this value.
pub(crate) struct Controller {
    pub(crate) grpc: SocketAddr,
    admin: SocketAddr,
    pid: u32,
    _child: Child,
    _dir: tempfile::TempDir,
}

/// What the controller has counted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    pub(crate) compiled: f64,
    pub(crate) encoded: f64,
    pub(crate) sent: f64,
    pub(crate) status_writes: f64,
}

impl Counters {
    /// What was counted after `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            compiled: self.compiled - before.compiled,
            encoded: self.encoded - before.encoded,
            sent: self.sent - before.sent,
            status_writes: self.status_writes - before.status_writes,
        }
    }
}

impl Controller {
    /// Starts it against the cluster, and waits until it is ready.
    pub(crate) async fn start(program: &Path, cluster: &Cluster) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let kubeconfig = dir.path().join("kubeconfig");
        fs::write(&kubeconfig, &cluster.kubeconfig)?;
        let log = dir.path().join("log");
        let (grpc, admin) = (free_port()?, free_port()?);
        let child = Command::new(program)
            .arg("controller")
            .args(["--grpc", &grpc.to_string(), "--webhook", &cluster.webhook.to_string()])
            .args(["--admin", &admin.to_string()])
            .args(["--bundle-endpoint", &free_port()?.to_string()])
            .env("KUBECONFIG", &kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let pid = child.id().context("the controller ended at once")?;
        let controller = Self { grpc, admin, pid, _child: child, _dir: dir };
        let ready = async {
            while !controller.get("/ready").await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, ready).await.is_err() {
            let said = fs::read_to_string(&log).unwrap_or_default();
            let last: Vec<&str> = said.lines().rev().take(5).collect();
            bail!("the controller isn't ready after {PATIENCE:?}; it says: {last:#?}");
        }
        Ok(controller)
    }

    /// CPU time so far, user and system.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).context("the controller has ended")?;
        // The name, in parentheses, may hold anything; utime and stime are fields 14 and 15 of all.
        let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).context("no stat")?;
        let ticks: u32 = fields.skip(11).take(2).map(|field| field.parse::<u32>().unwrap_or_default()).sum();
        Ok(TICK * ticks)
    }

    /// Resident memory.
    pub(crate) fn rss_mib(&self) -> anyhow::Result<f64> {
        self.memory("VmRSS:")
    }

    /// The most that it ever was.
    pub(crate) fn rss_peak_mib(&self) -> anyhow::Result<f64> {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).with_context(|| format!("no {field}"))?;
        let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kib / 1024.0)
    }

    /// What its metrics say.
    pub(crate) async fn counters(&self) -> anyhow::Result<Counters> {
        let text = self.get("/metrics").await?;
        let sum = |name: &str| -> f64 {
            let lines = text.lines().filter_map(|line| line.strip_prefix(name));
            let lines = lines.filter(|rest| rest.starts_with(['{', ' ']));
            lines.filter_map(|rest| rest.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
        };
        Ok(Counters {
            compiled: sum("isthmus_controller_compilations_total"),
            encoded: sum("isthmus_controller_encodings_total"),
            sent: sum("isthmus_controller_messages_total"),
            status_writes: sum("isthmus_controller_status_writes_total"),
        })
    }

    async fn get(&self, path: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.admin).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: controller\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}

/// A port of loopback that was free a moment ago.
pub(crate) fn free_port() -> anyhow::Result<SocketAddr> {
    Ok(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
