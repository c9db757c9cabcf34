//! The real `kubectl`, as a user runs it.

use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, bail};

use crate::left_out;

/// Google's dispatcher picks a version by the server's; by path the version is fixed.
const FIXED: &str = "/usr/lib/google-cloud-sdk/bin/kubectl.1.32";
/// The oldest minor version that has all commands of the tests.
const OLDEST_MINOR: u32 = 28;

/// A `kubectl` bound to one cluster.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    cache: PathBuf,
}

/// What a command printed.
#[derive(Debug)]
pub struct Output {
    /// Exit code; -1 if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The program to use, or why there is none: `KUBECTL`, where that is set.
pub fn find() -> Result<PathBuf, String> {
    if let Some(program) = env::var_os("KUBECTL") {
        return Ok(program.into());
    }
    if Path::new(FIXED).exists() {
        return Ok(FIXED.into());
    }
    let output = Command::new("kubectl").args(["version", "--client", "-o", "json"]).output();
    let output = output.map_err(|_| "kubectl isn't on the PATH".to_owned())?;
    let version: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let minor = version.pointer("/clientVersion/minor").and_then(|m| m.as_str()).unwrap_or_default();
    match minor.trim_end_matches('+').parse::<u32>() {
        Ok(minor) if minor >= OLDEST_MINOR => Ok("kubectl".into()),
        _ => Err(format!("kubectl is 1.{minor}, older than 1.{OLDEST_MINOR}")),
    }
}

/// The same for a test that can't do without it: `None` when it was left out.
pub fn find_for(test: &str) -> Option<PathBuf> {
    find().inspect_err(|why| left_out::say(test, why, "install kubectl 1.28 or newer, or name one by KUBECTL")).ok()
}

impl Kubectl {
    /// Binds `program` to a kubeconfig; discovery is cached in `cache`.
    pub fn new(program: PathBuf, kubeconfig: PathBuf, cache: PathBuf) -> Self {
        Self { program, kubeconfig, cache }
    }

    /// The kubeconfig that it is bound to.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A command, ready to be changed or spawned.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).env("KUBECONFIG", &self.kubeconfig).env("KUBECACHEDIR", &self.cache);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs to the end, whatever the outcome.
    pub fn try_run(&self, args: &[&str], stdin: Option<&str>) -> anyhow::Result<Output> {
        let mut command = self.command(args);
        if stdin.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().with_context(|| format!("can't start {}", self.program.display()))?;
        if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
            pipe.write_all(text.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        Ok(Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs and demands success; returns standard output.
    pub fn run(&self, args: &[&str]) -> anyhow::Result<String> {
        self.run_with(args, None)
    }

    /// The same with standard input.
    pub fn run_with(&self, args: &[&str], stdin: Option<&str>) -> anyhow::Result<String> {
        let output = self.try_run(args, stdin)?;
        if output.code != 0 {
            bail!("kubectl {} exited {}:\n{}{}", args.join(" "), output.code, output.stdout, output.stderr);
        }
        Ok(output.stdout)
    }

    /// `kubectl apply -f -`.
    pub fn apply(&self, namespace: &str, yaml: &str) -> anyhow::Result<String> {
        self.run_with(&["apply", "-n", namespace, "-f", "-"], Some(yaml))
    }

    /// One object as JSON.
    pub fn get(&self, namespace: &str, kind: &str, name: &str) -> anyhow::Result<serde_json::Value> {
        let text = self.run(&["get", "-n", namespace, kind, name, "-o", "json"])?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Forwards a free local port to a pod's, until the guard is dropped.
    pub fn port_forward(&self, namespace: &str, target: &str, port: u16) -> anyhow::Result<PortForward> {
        // "Forwarding from 127.0.0.1:41234 -> 9091"
        self.listening(&["port-forward", "-n", namespace, target, &format!(":{port}")], 2)
    }

    /// Serves the cluster's API on a free local port without further ado, until the guard is dropped.
    pub fn proxy(&self) -> anyhow::Result<PortForward> {
        // "Starting to serve on 127.0.0.1:41234"
        self.listening(&["proxy", "--port=0"], 4)
    }

    /// Starts a command that says where it listens in the word `at` of its first line.
    fn listening(&self, args: &[&str], at: usize) -> anyhow::Result<PortForward> {
        let mut child = self.command(args).spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().context("no stdout")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        // It says a word for each connection, and dies if nobody listens.
        std::thread::spawn(move || io::copy(&mut stdout, &mut io::sink()));
        let local = line.split_whitespace().nth(at).and_then(|addr| addr.rsplit(':').next()?.parse().ok());
        let forward = PortForward { child, port: local.unwrap_or_default() };
        if local.is_none() {
            bail!("kubectl {} said {line:?}", args.join(" "));
        }
        Ok(forward)
    }
}

/// A running `kubectl port-forward` or `kubectl proxy`.
#[derive(Debug)]
pub struct PortForward {
    child: Child,
    /// The local port on 127.0.0.1.
    pub port: u16,
}

impl Drop for PortForward {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where `cargo` puts this workspace's programs: beside the test's own.
pub fn built(program: &str) -> anyhow::Result<PathBuf> {
    let own = env::current_exe()?;
    let dir = own.ancestors().nth(2).context("no target folder")?;
    let path = dir.join(program);
    if !path.exists() {
        bail!("{} isn't there: run `cargo build -p isthmus` first, or use `cargo xtask test`", path.display());
    }
    Ok(path)
}
