//! The real `kubectl`.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use isthmus_local::Cluster;
use libtest_mimic::Failed;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::LIMIT;

fn program() -> PathBuf {
    isthmus_tests::kubectl::find().unwrap_or_else(|_| "kubectl".into())
}

/// A command for this cluster.
pub(crate) fn command(kubeconfig: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program());
    let cache = kubeconfig.with_file_name("kubectl-cache");
    command.args(args).env("KUBECONFIG", kubeconfig).env("KUBECACHEDIR", cache).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs to the end, whatever that is.
pub(crate) async fn output(cluster: &Cluster, args: &[&str], input: &str) -> Result<Output, Failed> {
    output_at(&cluster.kubeconfig_path(), args, input).await
}

pub(crate) async fn output_at(kubeconfig: &Path, args: &[&str], input: &str) -> Result<Output, Failed> {
    let mut child = command(kubeconfig, args).stdin(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().ok_or("no stdin")?;
    let run = async {
        // A program that reads nothing may have closed it.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        child.wait_with_output().await
    };
    let done = tokio::time::timeout(LIMIT, run).await;
    Ok(done.map_err(|_| format!("kubectl {}: no end within {LIMIT:?}", args.join(" ")))??)
}

/// Runs to a good end; the answer is what it printed.
pub(crate) async fn run(cluster: &Cluster, args: &[&str]) -> Result<String, Failed> {
    checked(args, &output(cluster, args, "").await?)
}

/// `apply -f -`.
pub(crate) async fn apply(cluster: &Cluster, yaml: &str) -> Result<String, Failed> {
    let args = ["apply", "-f", "-"];
    checked(&args, &output(cluster, &args, yaml).await?)
}

pub(crate) fn checked(args: &[&str], output: &Output) -> Result<String, Failed> {
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("kubectl {}: {}: {said}", args.join(" "), output.status).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
