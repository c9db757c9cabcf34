//! What is left of a cluster that was killed.

use std::path::Path;
use std::process::Stdio;

use libtest_mimic::Failed;
use tokio::process::{Child, Command};

use crate::kubectl::{checked, output_at};
use crate::{CLUSTER, Outcome, this_program, until};

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: { name: sleeper }
spec:
  containers: [{ name: c, image: local/sleep, args: ['98765'] }]
---
apiVersion: v1
kind: ConfigMap
metadata: { name: kept }
data: { a: b }
";

fn start(root: &Path) -> Result<Child, Failed> {
    let (state, data) = (root.join("state"), root.join("data"));
    let child = Command::new(this_program())
        .args([CLUSTER, "killed", "9"])
        .args([&state, &data])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    Ok(child)
}

async fn kubectl(root: &Path, args: &[&str], input: &str) -> Result<String, Failed> {
    let kubeconfig = root.join("state/killed/kubeconfig");
    checked(args, &output_at(&kubeconfig, args, input).await?)
}

/// Processes with this in their command line.
fn running(argument: &str) -> usize {
    let found = std::fs::read_dir("/proc").into_iter().flatten().flatten().filter(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == argument.as_bytes())
    });
    found.count()
}

pub(crate) async fn killed() -> Outcome {
    let root = tempfile::tempdir()?;
    let root = root.path();
    let kubeconfig = root.join("state/killed/kubeconfig");
    let mut first = start(root)?;
    until("the first cluster", || async { Ok(kubeconfig.exists()) }).await?;
    kubectl(root, &["apply", "-f", "-"], POD).await?;
    kubectl(root, &["wait", "--for=condition=Ready", "pod/sleeper", "--timeout=30s"], "").await?;
    if running("98765") == 0 {
        return Err("the pod's program does not run".into());
    }
    first.start_kill()?;
    first.wait().await?;
    until("the pod's end", || async { Ok(running("98765") == 0) }).await?;

    let mut second = start(root)?;
    until("the second cluster", || async {
        let found = kubectl(root, &["get", "configmap", "kept", "-o", "jsonpath={.data.a}"], "").await?;
        Ok(found == "b")
    })
    .await?;
    // The pod is bound to the node, so it runs again.
    until("the pod's return", || async { Ok(running("98765") > 0) }).await?;
    second.start_kill()?;
    second.wait().await?;
    until("the end", || async { Ok(running("98765") == 0) }).await?;
    Ok(())
}
