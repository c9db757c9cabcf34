//! The real `etcd` and `kube-apiserver`, as processes of this cluster.

mod arguments;
mod files;
mod leftovers;

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use isthmus_local_apiserver::Pki;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::{ASSETS, Setup, proxy};
use crate::cluster::Error;
use arguments::Arguments;
use files::Files;
pub(crate) use leftovers::end_leftovers;

/// Time for each program to listen.
const LISTEN_WITHIN: Duration = Duration::from_secs(60);
/// Time for each program to end by itself.
const END_WITHIN: Duration = Duration::from_secs(10);

/// What is wrong with the real API server.
#[derive(Debug, thiserror::Error)]
pub enum AssetError {
    /// A program isn't there.
    #[error(
        "{ASSETS}={}: there is no program {program:?}. Name a directory with etcd and kube-apiserver \
         (`setup-envtest use -p path` prints one), or unset {ASSETS} to use the embedded API server",
        directory.display()
    )]
    MissingProgram {
        /// The variable's value.
        directory: PathBuf,
        /// The file that isn't there.
        program: &'static str,
    },
    /// A program can't be started.
    #[error("{program}: {source}")]
    Start {
        /// Its name.
        program: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// A program has ended, or does not listen.
    #[error("{program} {what}: its log is {}", log.display())]
    NotListening {
        /// Its name.
        program: &'static str,
        /// What it does instead.
        what: String,
        /// What it wrote.
        log: PathBuf,
    },
    /// A file for them can't be written.
    #[error("{}: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

pub(crate) struct Assets {
    pki: Pki,
    url: String,
    kubeconfig: String,
    port: u16,
    /// Keys and logs; they go with the cluster.
    directory: PathBuf,
    etcd: Child,
    api_server: Child,
    /// Proxy and relay.
    _tasks: JoinSet<()>,
}

impl Assets {
    pub(super) async fn start(directory: PathBuf, setup: Setup) -> Result<Self, Error> {
        let [etcd, api_server] = programs(&directory)?;
        let files = Files::new(&setup.state_dir, setup.pki_dir.as_deref(), setup.data_dir.as_deref())?;
        let pki = Pki::load_or_create(Some(&files.pki_dir), &setup.names, &setup.addresses)?;
        files.write(&pki, &setup.names, &setup.addresses)?;
        let taken = |source| Error::ApiPort { port: setup.port, source };
        let port = match setup.port {
            0 => free_port().await.map_err(taken)?,
            port => port,
        };
        let etcd_port = free_port().await.map_err(taken)?;
        let arguments = Arguments {
            files: &files,
            port,
            etcd_port,
            router: setup.router.address(),
            service_cidr: &setup.service_cidr,
        };
        let socket = UnixListener::bind(&files.egress_socket)
            .map_err(|source| AssetError::File { file: files.egress_socket.clone(), source })?;
        let inside = setup.router.tcp_listen((setup.router.address(), port).into()).await.map_err(Error::Network)?;
        let mut tasks = JoinSet::new();
        tasks.spawn(proxy::egress(socket, setup.router.clone()));
        tasks.spawn(proxy::relay(inside, port));
        let etcd = start(&etcd, "etcd", &arguments.etcd(), &setup.state_dir, &files, etcd_port).await?;
        let server =
            start(&api_server, "kube-apiserver", &arguments.api_server(), &setup.state_dir, &files, port).await?;
        let url = format!("https://127.0.0.1:{port}");
        let kubeconfig = files::kubeconfig(&pki, &url);
        Ok(Assets { pki, url, kubeconfig, port, directory: files.directory, etcd, api_server: server, _tasks: tasks })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    pub(super) fn pki(&self) -> &Pki {
        &self.pki
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) async fn shutdown(mut self) {
        end(&mut self.api_server).await;
        end(&mut self.etcd).await;
        if let Err(error) = tokio::fs::remove_dir_all(&self.directory).await {
            tracing::warn!(directory = %self.directory.display(), %error, "the control plane's files stay");
        }
    }
}

fn programs(directory: &Path) -> Result<[PathBuf; 2], AssetError> {
    let find = |program: &'static str| {
        let file = directory.join(program);
        let missing = || AssetError::MissingProgram { directory: directory.to_owned(), program };
        file.is_file().then_some(file).ok_or_else(missing)
    };
    Ok([find("etcd")?, find("kube-apiserver")?])
}

/// A port that is free now. Nothing keeps it so until its program listens, but nothing usual takes it either.
async fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port())
}

/// Starts a program and waits until it listens.
async fn start(
    file: &Path,
    program: &'static str,
    arguments: &[String],
    state_dir: &Path,
    files: &Files,
    port: u16,
) -> Result<Child, AssetError> {
    let log = files.directory.join(format!("{program}.log"));
    let failed = |source| AssetError::Start { program, source };
    let output = std::fs::File::create(&log).map_err(|source| AssetError::File { file: log.clone(), source })?;
    let mut child = Command::new(file)
        .args(arguments)
        .env(leftovers::MARK, state_dir)
        .stdin(Stdio::null())
        .stdout(output.try_clone().map_err(failed)?)
        .stderr(output)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let end = tokio::time::Instant::now() + LISTEN_WITHIN;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
        let ended = child.try_wait().map_err(failed)?.map(|status| format!("has ended ({status})"));
        let late = (tokio::time::Instant::now() > end).then(|| format!("does not listen on port {port}"));
        if let Some(what) = ended.or(late) {
            return Err(AssetError::NotListening { program, what, log });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(child)
}

/// Asks a program to end, and kills it when it takes too long.
async fn end(child: &mut Child) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It may have ended already.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    if tokio::time::timeout(END_WITHIN, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

#[cfg(test)]
mod tests;
