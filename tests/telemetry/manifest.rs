//! What the cluster runs, as YAML.

use serde_json::json;

use crate::scene::Workload;

/// Answers `/ok` with 200, `/slow` with 200 after 300 ms, `/fail` with 500.
const SERVER: &str = r#"
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow": time.sleep(0.3)
        self.send_response(500 if self.path == "/fail" else 200)
        self.send_header("content-length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"#;

/// A Service and a Deployment of [`SERVER`].
pub(crate) fn server(name: &str) -> String {
    workload(&Workload { api: "apps/v1", kind: "Deployment", plural: "deployments", name, times: 0 })
}

/// A Service and a workload of [`SERVER`].
pub(crate) fn workload(Workload { api, kind, name, .. }: &Workload<'_>) -> String {
    let labels = json!({ "app": name });
    let template = json!({ "metadata": { "labels": labels }, "spec": {
        "restartPolicy": if *kind == "Job" { "Never" } else { "Always" },
        "containers": [{ "name": "app", "image": "local/python3", "args": ["-c", SERVER],
                         "readinessProbe": { "tcpSocket": { "port": 8080 }, "periodSeconds": 1 } }],
    } });
    let spec = match *kind {
        "Job" => json!({ "template": template }),
        "ReplicationController" => json!({ "selector": labels, "template": template }),
        _ => json!({ "selector": { "matchLabels": labels }, "template": template }),
    };
    let object = json!({ "apiVersion": api, "kind": kind, "metadata": { "name": name }, "spec": spec });
    format!("---\n{}---\n{object}\n", service(name, name))
}

fn service(name: &str, app: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{ name: {name} }}
spec: {{ selector: {{ app: {app} }}, ports: [{{ name: http, port: 80, targetPort: 8080 }}] }}
"
    )
}

/// Calls whom it is told to. Probes by HTTP would be traffic too.
pub(crate) const CALLER: &str = "---
apiVersion: apps/v1
kind: Deployment
metadata: { name: caller }
spec:
  selector: { matchLabels: { app: caller } }
  template:
    metadata: { labels: { app: caller } }
    spec:
      containers:
        - name: app
          image: isthmus/app
          args: [web]
          readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 }
";

/// A root for both servers, three to one.
pub(crate) fn split() -> String {
    format!(
        "---
{}---
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: {{ name: front }}
spec:
  service: front
  backends: [{{ service: steady, weight: 3 }}, {{ service: flaky, weight: 1 }}]
",
        service("front", "steady")
    )
}
