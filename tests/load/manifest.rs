//! What a test works with, as YAML.

use serde_json::{Value, json};

/// Who may call whom, and the names by which it is called. `callee` is both versions behind one name.
pub(crate) const POLICY: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: { name: caller }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: callee }
---
apiVersion: v1
kind: Service
metadata: { name: callee }
spec:
  selector: { app: callee }
  ports: [{ name: http, port: 80, targetPort: http }, { name: lines, port: 6380, targetPort: lines }]
---
apiVersion: v1
kind: Service
metadata: { name: callee-v1 }
spec:
  selector: { app: callee, version: v1 }
  ports: [{ name: http, port: 80, targetPort: http }, { name: lines, port: 6380, targetPort: lines }]
---
apiVersion: v1
kind: Service
metadata: { name: callee-v2 }
spec:
  selector: { app: callee, version: v2 }
  ports: [{ name: http, port: 80, targetPort: http }, { name: lines, port: 6380, targetPort: lines }]
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: { name: load }
spec: { matches: [{ name: load, pathRegex: /load.*, methods: [GET, POST] }] }
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: TCPRoute
metadata: { name: lines }
spec: { matches: { ports: [6380] } }
---
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: { name: load }
spec:
  destination: { kind: ServiceAccount, name: callee }
  sources: [{ kind: ServiceAccount, name: caller }]
  rules: [{ kind: HTTPRouteGroup, name: load, matches: [load] }]
---
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: { name: lines }
spec:
  destination: { kind: ServiceAccount, name: callee }
  sources: [{ kind: ServiceAccount, name: caller }]
  rules: [{ kind: TCPRoute, name: lines }]
";

/// A callee is ready as soon as it answers, and isn't taken out for being slow: on a busy machine everything is slow now and then.
const PROBE: &str = "periodSeconds: 1, timeoutSeconds: 30, failureThreshold: 10";

/// A Deployment of callees: HTTP and lines in one pod, `callee-<version>`. Both give their callers time to hear of their end before they are
/// told to end: bytes of a TCP connection can't be sent again, nor can a request that a server closed its idle connection on.
pub(crate) fn callees(version: &str, replicas: u32) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: callee-{version} }}
spec:
  replicas: {replicas}
  selector: {{ matchLabels: {{ app: callee, version: {version} }} }}
  template:
    metadata: {{ labels: {{ app: callee, version: {version}, rollouts-pod-template-hash: {version} }} }}
    spec:
      serviceAccountName: callee
      containers:
        - name: http
          image: isthmus/app
          args: [echo, --version, {version}]
          env: [{{ name: PORT, value: \"8080\" }}]
          ports: [{{ name: http, containerPort: 8080 }}]
          readinessProbe: {{ httpGet: {{ path: /healthz, port: http }}, {PROBE} }}
          lifecycle: {{ preStop: {{ sleep: {{ seconds: 5 }} }} }}
        - name: lines
          image: isthmus/app
          args: [store]
          ports: [{{ name: lines, containerPort: 6380 }}]
          readinessProbe: {{ tcpSocket: {{ port: lines }}, {PROBE} }}
          lifecycle: {{ preStop: {{ sleep: {{ seconds: 5 }} }} }}
"
    )
}

/// A Deployment of callers, whose reports are written to the folder `reports`.
pub(crate) fn callers(replicas: u32, loads: &[String], reports: &str) -> String {
    let spec = caller(loads, reports);
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: caller }}
spec:
  replicas: {replicas}
  selector: {{ matchLabels: {{ app: caller }} }}
  template: {{ metadata: {{ labels: {{ app: caller }} }}, spec: {spec} }}
"
    )
}

/// A pod with one caller, which is held back from its start.
pub(crate) fn held_back(name: &str, loads: &[String], reports: &str) -> String {
    let mut spec = caller(loads, reports);
    if let Some(spec) = spec.as_object_mut() {
        spec.insert("schedulingGates".to_owned(), json!([{ "name": "isthmus.mesh/test" }]));
    }
    let metadata = json!({ "name": name, "labels": { "app": name } });
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec }).to_string()
}

/// A caller's pod spec. After the signal to end it calls for another second, as programs do that finish their work.
fn caller(loads: &[String], reports: &str) -> Value {
    json!({
        "serviceAccountName": "caller",
        "containers": [{
            "name": "caller",
            "image": "isthmus/app",
            "args": ["load", "--linger=1", "--report=/reports", format!("--load={}", loads.join(","))],
            "volumeMounts": [{ "name": "reports", "mountPath": "/reports" }]
        }],
        "volumes": [{ "name": "reports", "hostPath": { "path": reports, "type": "Directory" } }]
    })
}
