//! Running `kubectl`.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use crate::server::Server;

/// No command here may take longer.
const DEADLINE: Duration = Duration::from_secs(60);

/// A server and the `kubectl` that talks to it.
pub(crate) struct Kubectl {
    program: PathBuf,
    pub(crate) server: Server,
}

/// What a command came to.
pub(crate) struct Done {
    pub(crate) ok: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Kubectl {
    /// None when there is no kubectl.
    pub(crate) async fn start() -> Option<Self> {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let program = isthmus_tests::kubectl::find_for(&test)?;
        Some(Self { program, server: Server::start().await })
    }

    pub(crate) fn dir(&self) -> &Path {
        self.server.dir.path()
    }

    /// Writes a file for `-f`.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let file = self.dir().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// A command that is still to be started; `line` is split at spaces, `more` is not.
    pub(crate) fn command(&self, line: &str, more: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(line.split_whitespace())
            .args(more)
            .env("KUBECONFIG", self.server.kubeconfig())
            .env("KUBECACHEDIR", self.dir().join("cache"))
            .env("HOME", self.dir())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    pub(crate) async fn try_run(&self, line: &str, more: &[&str]) -> Done {
        finish(self.command(line, more).spawn().unwrap()).await
    }

    /// Runs a command that must succeed, and gives what it printed.
    pub(crate) async fn run(&self, line: &str, more: &[&str]) -> String {
        let done = self.try_run(line, more).await;
        assert!(done.ok, "kubectl {line} {more:?}\n{}{}", done.out, done.err);
        done.out
    }

    pub(crate) async fn run_with_input(&self, line: &str, input: &str) -> String {
        let mut child = self.command(line, &[]).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        let done = finish(child).await;
        assert!(done.ok, "kubectl {line}\n{}{}", done.out, done.err);
        done.out
    }

    /// Runs a command that must fail, and gives its complaint.
    pub(crate) async fn fail(&self, line: &str, more: &[&str]) -> String {
        let done = self.try_run(line, more).await;
        assert!(!done.ok, "kubectl {line} {more:?} succeeded:\n{}", done.out);
        done.err
    }
}

pub(crate) async fn finish(child: Child) -> Done {
    let Output { status, stdout, stderr } =
        tokio::time::timeout(DEADLINE, child.wait_with_output()).await.expect("kubectl took too long").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Done { ok: status.success(), out: text(stdout), err: text(stderr) }
}

/// A custom kind with columns, a status, a scale and a default.
pub(crate) const CRD: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: splits.x.io}
spec:
  group: x.io
  scope: Namespaced
  names: {kind: Split, plural: splits, shortNames: [sp], categories: [mesh]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
    additionalPrinterColumns:
    - {name: Service, type: string, jsonPath: .spec.service, description: The root service}
    - {name: Weight, type: integer, jsonPath: .spec.weight, priority: 1}
    schema:
      openAPIV3Schema:
        type: object
        description: Splits traffic
        properties:
          spec:
            type: object
            description: What is asked for
            required: [service]
            properties:
              service: {type: string, description: The root service}
              weight: {type: integer, default: 5, minimum: 0}
              replicas: {type: integer}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
"#;

pub(crate) const SPLIT: &str = "
apiVersion: x.io/v1
kind: Split
metadata: {name: s1, namespace: default, labels: {app: web}}
spec: {service: web}
";
