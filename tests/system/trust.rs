//! Trust, as somebody outside the mesh meets it. The attacks on certificates themselves are tests of `crates/identity`.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use isthmus_tests::{cluster::Cluster, http, wait::expect_eq};
use serde_json::{Value, json};

use crate::apps::{Case, PORT};

/// This file's tests.
pub(crate) fn tests() -> Vec<(&'static str, super::Body)> {
    vec![
        ("plaintext_and_the_bare_inbound_port_are_refused", outsider as super::Body),
        ("no_secret_is_in_any_log_at_any_level", no_secret_in_logs),
    ]
}

/// A pod outside the mesh calls one inside it: through the Service, by the pod's address, and at the proxy's own port.
fn outsider(cluster: &Cluster) -> anyhow::Result<()> {
    let inside = Case::install(cluster, "trust-inside", true)?;
    let kubectl = &cluster.kubectl;
    kubectl.run(&["create", "namespace", "trust-outside"])?;
    kubectl.run(&["create", "deployment", "outsider", "-n", "trust-outside", "--image=isthmus/app"])?;
    kubectl.run(&["rollout", "status", "-n", "trust-outside", "deployment/outsider", "--timeout=60s"])?;
    let outsider = kubectl.port_forward("trust-outside", "deployment/outsider", PORT)?;
    let pods = kubectl.run(&[
        "get",
        "pods",
        "-n",
        inside.namespace,
        "-l",
        "app=app-b",
        "-o",
        "jsonpath={.items[0].status.podIP}",
    ])?;
    let urls = [
        (inside.url("app-b", "/echo"), true),
        (format!("http://{pods}:{PORT}/echo"), true),
        (format!("http://{pods}:15006/echo"), false),
    ];
    for (url, answered) in urls {
        http::send(outsider.port, http::request("DELETE", "/metrics"))?;
        let call = json!({"url": url, "method": "GET", "body": "", "headers": {"x-isthmus-client-id": "spiffe://isthmus.local/ns/trust-inside/sa/service-a"}});
        http::send(outsider.port, http::with_body("POST", "/call", call.to_string()))?;
        let metrics: Value = serde_json::from_str(http::send(outsider.port, http::request("GET", "/metrics"))?.body())?;
        let count = |key: &str| metrics.get(key).and_then(Value::as_array).map_or(0, Vec::len);
        expect_eq(&format!("{url}: succeeded"), count("RespSucceeded"), 0)?;
        if answered {
            expect_eq(&format!("{url}: refused with a status"), count("RespFailed"), 1)?;
        }
    }
    expect_eq("app-b heard of nothing", Case::received(&inside.b)?, vec![])?;
    let log = kubectl.run(&["logs", "-n", inside.namespace, "deployment/app-b-deployment", "-c", "isthmus-proxy"])?;
    if !log.contains("no-identity") {
        bail!("the proxy's log says nothing of no-identity:\n{log}");
    }
    Ok(())
}

/// Controller and proxies at trace: neither the root key, nor a leaf's, nor any token may show.
fn no_secret_in_logs(cluster: &Cluster) -> anyhow::Result<()> {
    let kubectl = &cluster.kubectl;
    let controller = kubectl.port_forward("isthmus-system", "deployment/isthmus-controller", 15014)?;
    http::send(controller.port, http::with_body("PUT", "/log-level", "trace".into()))?;
    let case = Case::install(cluster, "trust-secrets", true)?;
    let proxies = ["a", "b"].map(|app| format!("deployment/app-{app}-deployment"));
    for proxy in &proxies {
        let admin = kubectl.port_forward(case.namespace, proxy, 15020)?;
        let answer = http::send(admin.port, http::with_body("PUT", "/log-level", "trace".into()))?;
        expect_eq("PUT /log-level", answer.status(), 200.try_into()?)?;
    }
    case.call(&case.url("app-b", "/echo"), "GET")?;
    let pod = "deployment/app-a-deployment";
    let read = |path: &str| kubectl.run(&["exec", "-n", case.namespace, pod, "-c", "isthmus-proxy", "--", "cat", path]);
    let mut secrets = vec![("a proxy's token", read("/var/run/secrets/isthmus/token")?)];
    secrets.push(("an app's token", kubectl.run(&["create", "token", "-n", case.namespace, "service-a"])?));
    let ca = kubectl.get("isthmus-system", "secret", "isthmus-ca")?;
    let key = ca.pointer("/data/tls.key").and_then(Value::as_str).context("isthmus-ca has no tls.key")?;
    secrets.push(("the root key", key.to_owned()));
    http::send(controller.port, http::with_body("PUT", "/log-level", "info".into()))?;
    let mut logs = Vec::new();
    collect(cluster.state(), &mut logs)?;
    if logs.is_empty() {
        bail!("no log was found below {}", cluster.state().display());
    }
    for (path, text) in &logs {
        for (what, secret) in &secrets {
            // A token's last part is its signature: without it the rest is of no use.
            let signature = secret.trim().rsplit('.').next().unwrap_or_default();
            if signature.len() > 20 && text.contains(signature) {
                bail!("{path} holds {what}");
            }
        }
        if text.contains("PRIVATE KEY") {
            bail!("{path} holds a private key");
        }
    }
    Ok(())
}

/// Every file below that is a log.
fn collect(dir: &Path, logs: &mut Vec<(String, String)>) -> anyhow::Result<()> {
    for entry in fs::read_dir(dir)?.flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            collect(&path, logs)?;
        } else if path.to_string_lossy().contains("log")
            && let Ok(bytes) = fs::read(&path)
        {
            logs.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok(())
}
