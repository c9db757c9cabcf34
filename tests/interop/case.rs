//! A server in one pod and its clients in another, both with sidecars, and what the sidecars count of them.

use std::time::Duration;

use anyhow::{Context, bail};
use isthmus_tests::{
    cluster::Cluster,
    http,
    kubectl::Output,
    wait::{expect_eq, until},
};
use serde_json::Value;

use crate::software;

const PATIENCE: Duration = Duration::from_secs(90);
/// The proxy's admin port.
const ADMIN: u16 = 15020;
/// A protocol detection that stalls waits for seconds; one that works takes milliseconds.
const STALL_MS: f64 = 1000.0;
const CONNECTIONS: u32 = 10;

/// How the server's pod is made.
pub(crate) struct Server {
    /// Name of the Service that says nothing of the protocol; `<name>-hinted` names it.
    pub(crate) name: &'static str,
    /// Shell script that becomes the server.
    pub(crate) script: String,
    /// Shell script that succeeds once it serves.
    pub(crate) ready: String,
    /// It runs as.
    pub(crate) user: u32,
    pub(crate) port: u16,
    /// Name of the port in the Service that hints.
    pub(crate) hint: &'static str,
    /// What clients are granted.
    pub(crate) grant: Grant,
}

/// What clients are granted.
#[derive(Clone, Copy)]
pub(crate) enum Grant {
    /// A TCPRoute to the server's port.
    Tcp,
    /// An HTTPRouteGroup of this `pathRegex`.
    Http(&'static str),
}

/// Both pods, running.
pub(crate) struct Case<'a> {
    cluster: &'a Cluster,
    namespace: String,
    server: Server,
}

impl<'a> Case<'a> {
    /// Both pods ready; nothing is granted yet.
    pub(crate) fn start(cluster: &'a Cluster, server: Server) -> anyhow::Result<Self> {
        let namespace = format!("interop-{}", server.name);
        let case = Self { cluster, namespace, server };
        let (kubectl, namespace) = (&cluster.kubectl, &case.namespace);
        kubectl.run(&["create", "namespace", namespace])?;
        kubectl.run(&["label", "namespace", namespace, "isthmus.mesh/inject=enabled"])?;
        kubectl.apply(namespace, &case.workloads())?;
        for deployment in ["deployment/server", "deployment/client"] {
            kubectl
                .run(&["rollout", "status", "-n", namespace, deployment, "--timeout=120s"])
                .with_context(|| case.describe())?;
        }
        Ok(case)
    }

    /// Without a grant the command fails, and the server's sidecar has counted the denial; with it the same command succeeds.
    pub(crate) fn refuse_then_grant(&self, command: &[&str]) -> anyhow::Result<()> {
        let refused = self.try_in_client(command)?;
        if refused.code == 0 {
            bail!("{command:?} succeeded without a grant: {}", refused.stdout);
        }
        let denied = self.metric("server", "isthmus_denied_total", &["code=\"no-grant\""])?;
        if denied < 1.0 {
            bail!("{command:?} failed, yet not by a denial: {}{}", refused.stderr, self.describe());
        }
        expect_eq("exchanges before the grant", self.exchanges()?, 0.0)?;
        self.cluster.kubectl.apply(&self.namespace, &self.policy())?;
        let programmed = ["wait", "-n", &self.namespace, "--for=condition=Programmed", "traffictarget/client"];
        self.cluster.kubectl.run(&[&programmed[..], &["--timeout=60s"]].concat()).with_context(|| self.describe())?;
        self.in_client(command).map(drop)
    }

    /// The names that clients call: without and with a hint of the protocol.
    pub(crate) fn hosts(&self) -> [String; 2] {
        [self.server.name.to_owned(), format!("{}-hinted", self.server.name)]
    }

    /// Runs a command in the client's pod; returns what it printed.
    pub(crate) fn in_client(&self, command: &[&str]) -> anyhow::Result<String> {
        self.succeed("client", command)
    }

    /// A shell script in the client's pod.
    pub(crate) fn sh(&self, script: &str) -> anyhow::Result<String> {
        self.in_client(&["sh", "-ec", script])
    }

    /// A script of `py/` in the client's pod.
    pub(crate) fn python(&self, script: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let (python, script) = (software::python(), software::script(script));
        self.in_client(&[&[&*python, &*script], arguments].concat())
    }

    /// Fresh connections, each timed until the server's first byte: after `hello` was said to it, or without a word. None
    /// stalls. The figures are printed, with those of the same without a mesh.
    pub(crate) fn no_stall(&self, hello: &str) -> anyhow::Result<()> {
        let (port, count) = (self.server.port.to_string(), CONNECTIONS.to_string());
        let first_byte = |workload: &str, host: &str| -> anyhow::Result<(f64, f64)> {
            let (python, script) = (software::python(), software::script("first_byte.py"));
            let figures = self.succeed(workload, &[&python, &script, host, &port, &count, hello])?;
            let figures: Value = serde_json::from_str(&figures).with_context(|| figures.clone())?;
            let figure = |name: &str| figures.get(name).and_then(Value::as_f64).context("first_byte.py gave no figure");
            Ok((figure("least_ms")?, figure("median_ms")?))
        };
        let (_, bare) = first_byte("server", "127.0.0.1")?;
        for host in self.hosts() {
            let (least, median) = first_byte("client", &host)?;
            println!(
                "{host}: first byte of a new connection after {median:.1} ms (median), {bare:.1} ms without a mesh"
            );
            if least > STALL_MS {
                bail!("the fastest of {count} connections to {host} took {least} ms: it stalled");
            }
        }
        Ok(())
    }

    /// All that the server got came by mesh TLS from the client's identity, `least` times or more; and the client's sidecar
    /// knew where it sent it.
    pub(crate) fn meshed(&self, least: u32) -> anyhow::Result<()> {
        let exchanges = self.exchanges()?;
        if exchanges < f64::from(least) {
            bail!("the server's sidecar counted {exchanges} exchanges with the client, not {least} or more");
        }
        let id = format!("client=\"{}\"", self.client_id());
        let all = self.metric("server", self.family(), &[])?;
        expect_eq("exchanges with others", all - self.metric("server", self.family(), &[&id])?, 0.0)?;
        let handshakes = ["direction=\"inbound\"", "outcome=\"ok\""];
        if self.metric("server", "isthmus_tls_handshakes_total", &handshakes)? < 1.0 {
            bail!("the server's sidecar counted no mesh TLS handshake");
        }
        expect_eq("degraded lookups", self.metric("client", "isthmus_degraded_lookups_total", &[])?, 0.0)
    }

    /// Connections, or requests that weren't denied, of the client's identity.
    fn exchanges(&self) -> anyhow::Result<f64> {
        let id = format!("client=\"{}\"", self.client_id());
        let denied = match self.server.grant {
            Grant::Tcp => 0.0,
            Grant::Http(_) => self.metric("server", self.family(), &[&id, "class=\"4xx\""])?,
        };
        Ok(self.metric("server", self.family(), &[&id])? - denied)
    }

    fn client_id(&self) -> String {
        format!("spiffe://isthmus.local/ns/{}/sa/client", self.namespace)
    }

    fn family(&self) -> &'static str {
        match self.server.grant {
            Grant::Tcp => "isthmus_inbound_tcp_connections_total",
            Grant::Http(_) => "isthmus_inbound_requests_total",
        }
    }

    /// The sum of a family's series that have all these labels.
    pub(crate) fn metric(&self, workload: &str, family: &str, labels: &[&str]) -> anyhow::Result<f64> {
        let target = format!("deployment/{workload}");
        let forward = self.cluster.kubectl.port_forward(&self.namespace, &target, ADMIN)?;
        let text = until("metrics", PATIENCE, || http::send(forward.port, http::request("GET", "/metrics")))?;
        let series = text.body().lines().filter(|line| {
            line.strip_prefix(family).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        Ok(series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    fn succeed(&self, workload: &str, command: &[&str]) -> anyhow::Result<String> {
        let output = self.exec(workload, command)?;
        if output.code != 0 {
            let Output { code, stdout, stderr } = output;
            bail!("{command:?} in {workload} exited {code}:\n{stdout}{stderr}{}", self.describe());
        }
        Ok(output.stdout)
    }

    fn try_in_client(&self, command: &[&str]) -> anyhow::Result<Output> {
        self.exec("client", command)
    }

    fn exec(&self, workload: &str, command: &[&str]) -> anyhow::Result<Output> {
        let target = format!("deployment/{workload}");
        let exec = ["exec", "-n", &self.namespace, &target, "-c", "app", "--"];
        self.cluster.kubectl.try_run(&[&exec[..], command].concat(), None)
    }

    /// What `kubectl` says of the namespace, for a failure's message.
    fn describe(&self) -> String {
        let look = |args: &[&str]| {
            let output = self.cluster.kubectl.try_run(&[args, &["-n", &self.namespace]].concat(), None);
            output.map(|o| o.stdout + &o.stderr).unwrap_or_default()
        };
        let logs = |workload: &str, container: &str| {
            look(&["logs", &format!("deployment/{workload}"), "-c", container, "--tail=30"])
        };
        let of_pods = look(&["get", "pods,events,tt,tr,htr"]) + &logs("server", "app");
        of_pods + &logs("server", "isthmus-proxy") + &logs("client", "isthmus-proxy")
    }

    fn policy(&self) -> String {
        let (kind, spec) = match self.server.grant {
            Grant::Tcp => ("TCPRoute", format!("{{ matches: {{ ports: [{}] }} }}", self.server.port)),
            Grant::Http(path) => {
                ("HTTPRouteGroup", format!("{{ matches: [{{ name: all, pathRegex: '{path}', methods: ['*'] }}] }}"))
            }
        };
        format!(
            "
apiVersion: specs.smi-spec.io/v1alpha4
kind: {kind}
metadata: {{ name: server }}
spec: {spec}
---
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: {{ name: client }}
spec:
  destination: {{ kind: ServiceAccount, name: server }}
  sources: [{{ kind: ServiceAccount, name: client }}]
  rules: [{{ kind: {kind}, name: server }}]
"
        )
    }

    fn workloads(&self) -> String {
        let Server { name, script, ready, user, port, hint, .. } = &self.server;
        let (script, ready) = (Value::from(script.as_str()), Value::from(ready.as_str()));
        let service = |name: &str, port_name: &str| {
            format!(
                "---
apiVersion: v1
kind: Service
metadata: {{ name: {name} }}
spec: {{ selector: {{ app: server }}, ports: [{{ port: {port}{port_name} }}] }}
"
            )
        };
        let server = format!(
            "image: local/sh
          args: [-ec, {script}]
          securityContext: {{ runAsUser: {user} }}
          readinessProbe: {{ exec: {{ command: [sh, -ec, {ready}] }}, periodSeconds: 1, timeoutSeconds: 10 }}"
        );
        let client = "image: local/sleep\n          args: [infinity]".to_owned();
        let pods = [("server", server), ("client", client)].map(|(name, container)| workload(name, &container));
        service(name, "") + &service(&format!("{name}-hinted"), &format!(", name: {hint}")) + &pods.concat()
    }
}

fn workload(name: &str, container: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: ServiceAccount
metadata: {{ name: {name} }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: {name} }}
spec:
  selector: {{ matchLabels: {{ app: {name} }} }}
  template:
    metadata: {{ labels: {{ app: {name} }} }}
    spec:
      serviceAccountName: {name}
      containers:
        - name: app
          {container}
"
    )
}
