//! What both meshes run to be traced, as YAML.

use isthmus_tests::software;
use serde_json::Value;

/// The same programs, whose sidecars send traces to this collector.
pub(crate) fn traced(yaml: &str, collector: &str) -> String {
    let pod = "    metadata: { labels:";
    yaml.replace(
        pod,
        &format!("    metadata: {{ annotations: {{ isthmus.mesh/trace-endpoint: \"{collector}\" }}, labels:"),
    )
}

/// The collector, outside the mesh, with an address for other clusters.
pub(crate) fn collector() -> String {
    let command = Value::from(format!("exec {} {}", software::python(), software::script("otlp_recorder.py")));
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: collector }}
spec:
  selector: {{ matchLabels: {{ app: collector }} }}
  template:
    metadata:
      labels: {{ app: collector }}
      annotations: {{ isthmus.mesh/inject: disabled }}
    spec:
      containers:
        - name: collector
          image: local/sh
          args: [-ec, {command}]
          readinessProbe: {{ tcpSocket: {{ port: 8080 }}, periodSeconds: 1, failureThreshold: 10 }}
---
apiVersion: v1
kind: Service
metadata: {{ name: collector }}
spec:
  type: LoadBalancer
  selector: {{ app: collector }}
  ports: [{{ port: 4317 }}]
"
    )
}

/// A program of the shop by its name, as a ServiceAccount of that name, and its Service; `front` is a second one of web's.
pub(crate) fn program(name: &str) -> String {
    let (args, port, service) = match name {
        "front" => ("[web, --catalog-url=http://catalog-west]".to_owned(), 8080, 80),
        "store" => ("[store]".to_owned(), 6380, 6380),
        name => (format!("[{name}]"), 8080, 80),
    };
    format!(
        "
apiVersion: v1
kind: ServiceAccount
metadata: {{ name: {name} }}
---
apiVersion: v1
kind: Service
metadata: {{ name: {name} }}
spec: {{ selector: {{ app: {name} }}, ports: [{{ port: {service}, targetPort: {port} }}] }}
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
          image: isthmus/app
          args: {args}
          readinessProbe: {{ tcpSocket: {{ port: {port} }}, periodSeconds: 1, failureThreshold: 10 }}
"
    )
}

/// East's front, and nobody else of east, may use west's catalog.
pub(crate) const LET_IN: &str = "
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: { name: catalog }
spec: { matches: [{ name: items, pathRegex: /items, methods: [GET] }] }
---
apiVersion: access.smi-spec.io/v1alpha4
kind: IdentityBinding
metadata: { name: east }
spec: { schemes: { spiffeIdentities: [spiffe://east.local/ns/traced/sa/front] } }
---
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: { name: east }
spec:
  destination: { kind: ServiceAccount, name: catalog }
  sources: [{ kind: IdentityBinding, name: east }]
  rules: [{ kind: HTTPRouteGroup, name: catalog }]
";
