//! What the meshes run and say, as YAML.

/// A program is ready as soon as it answers, and isn't taken out for being slow: on a busy machine everything is slow now and then.
const PROBE: &str = "periodSeconds: 1, timeoutSeconds: 30, failureThreshold: 10";

/// A program that calls whom it is told to, as a ServiceAccount of its own name.
pub(crate) fn driver(name: &str) -> String {
    format!(
        "
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
        - name: {name}
          image: isthmus/app
          args: [web]
          ports: [{{ name: http, containerPort: 8080 }}]
          readinessProbe: {{ httpGet: {{ path: /healthz, port: http }}, {PROBE} }}
"
    )
}

/// A catalog and a store in each pod, and a Service with a port for each. Both give their callers time to hear of their end.
pub(crate) fn catalog(version: &str, replicas: u32) -> String {
    format!(
        "
apiVersion: v1
kind: ServiceAccount
metadata: {{ name: catalog }}
---
apiVersion: v1
kind: Service
metadata: {{ name: catalog }}
spec:
  selector: {{ app: catalog }}
  ports: [{{ name: http, port: 80, targetPort: http }}, {{ name: lines, port: 6380, targetPort: lines }}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: catalog }}
spec:
  replicas: {replicas}
  selector: {{ matchLabels: {{ app: catalog }} }}
  template:
    metadata: {{ labels: {{ app: catalog }} }}
    spec:
      serviceAccountName: catalog
      containers:
        - name: catalog
          image: isthmus/app
          args: [catalog, --version, {version}]
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

/// A pod outside the mesh, whose bytes no proxy touches; `serves` is a program of its own behind an address for other clusters.
pub(crate) fn outsider(name: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: {name} }}
spec:
  selector: {{ matchLabels: {{ app: {name} }} }}
  template:
    metadata:
      labels: {{ app: {name} }}
      annotations: {{ isthmus.mesh/inject: disabled }}
    spec:
      containers:
        - name: http
          image: isthmus/app
          args: [web]
          ports: [{{ name: http, containerPort: 8080 }}]
          readinessProbe: {{ httpGet: {{ path: /healthz, port: http }}, {PROBE} }}
---
apiVersion: v1
kind: Service
metadata: {{ name: {name} }}
spec:
  type: LoadBalancer
  selector: {{ app: {name} }}
  ports: [{{ name: http, port: 8080, targetPort: http }}]
"
    )
}

/// A Deployment of one caller as the ServiceAccount web, whose report is written to the folder `reports`.
pub(crate) fn caller(name: &str, loads: &str, reports: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: {name} }}
spec:
  selector: {{ matchLabels: {{ app: {name} }} }}
  template:
    metadata: {{ labels: {{ app: {name} }} }}
    spec:
      serviceAccountName: web
      containers:
        - name: load
          image: isthmus/app
          args: [load, --report=/reports, \"--load={loads}\"]
          volumeMounts: [{{ name: reports, mountPath: /reports }}]
      volumes: [{{ name: reports, hostPath: {{ path: \"{reports}\", type: Directory }} }}]
"
    )
}

/// West offers its catalog to east.
pub(crate) const EXPORT: &str = "
apiVersion: federation.isthmus.mesh/v1alpha1
kind: ExportedService
metadata: { name: catalog }
spec: { to: [east] }
";

/// East's web, and nobody else of east, may use west's catalog.
pub(crate) const LET_IN: &str = "
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: { name: catalog }
spec:
  matches:
    - { name: items, pathRegex: /items, methods: [GET] }
    - { name: load, pathRegex: /load.*, methods: [GET, POST] }
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: TCPRoute
metadata: { name: lines }
spec: { matches: { ports: [6380] } }
---
apiVersion: access.smi-spec.io/v1alpha4
kind: IdentityBinding
metadata: { name: east }
spec: { schemes: { spiffeIdentities: [spiffe://east.local/ns/shop/sa/web] } }
---
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: { name: east }
spec:
  destination: { kind: ServiceAccount, name: catalog }
  sources: [{ kind: IdentityBinding, name: east }]
  rules: [{ kind: HTTPRouteGroup, name: catalog }]
---
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: { name: east-lines }
spec:
  destination: { kind: ServiceAccount, name: catalog }
  sources: [{ kind: IdentityBinding, name: east }]
  rules: [{ kind: TCPRoute, name: lines }]
";

/// East takes it as catalog-west; and a second time, for a shorter time without word from west.
pub(crate) const IMPORT: &str = "
apiVersion: federation.isthmus.mesh/v1alpha1
kind: ImportedService
metadata: { name: catalog-west }
spec: { from: { mesh: west, service: catalog }, maxStale: 10m }
---
apiVersion: federation.isthmus.mesh/v1alpha1
kind: ImportedService
metadata: { name: catalog-brief }
spec: { from: { mesh: west, service: catalog }, maxStale: 40s }
";

/// A pod behind west's catalog that has no program at its port, and is ready while there is a file `ready` in the folder.
pub(crate) fn sick(folder: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: catalog-sick }}
spec:
  selector: {{ matchLabels: {{ app: catalog, state: sick }} }}
  template:
    metadata: {{ labels: {{ app: catalog, state: sick }} }}
    spec:
      serviceAccountName: catalog
      containers:
        - name: nothing
          image: isthmus/app
          args: [store, --port=9999]
          ports: [{{ name: http, containerPort: 8080 }}, {{ name: lines, containerPort: 6380 }}]
          readinessProbe: {{ exec: {{ command: [test, -e, /state/ready] }}, periodSeconds: 1, failureThreshold: 1 }}
          volumeMounts: [{{ name: state, mountPath: /state }}]
      volumes: [{{ name: state, hostPath: {{ path: \"{folder}\", type: Directory }} }}]
"
    )
}

/// West's catalog, offered under another name too.
pub(crate) const ALSO: &str = "
apiVersion: federation.isthmus.mesh/v1alpha1
kind: ExportedService
metadata: { name: also }
spec: { service: also, to: [east] }
---
apiVersion: v1
kind: Service
metadata: { name: also }
spec:
  selector: { app: catalog }
  ports: [{ name: http, port: 80, targetPort: http }]
";

/// And taken.
pub(crate) const ALSO_IMPORT: &str = "
apiVersion: federation.isthmus.mesh/v1alpha1
kind: ImportedService
metadata: { name: also }
spec: { from: { mesh: west } }
";

/// Another Service of a mesh's gateways, with an address of its own.
pub(crate) fn gateways(name: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Service
metadata: {{ name: {name} }}
spec:
  type: LoadBalancer
  selector: {{ app.kubernetes.io/name: isthmus-gateway }}
  ports: [{{ name: mesh, port: 15443, targetPort: 15443 }}]
"
    )
}

/// A name in a cluster's DNS that leads to these addresses.
pub(crate) fn dns_name(name: &str, addresses: &[&str]) -> String {
    let endpoints: Vec<String> = addresses.iter().map(|ip| format!("{{ addresses: [{ip}] }}")).collect();
    let endpoints = endpoints.join(", ");
    format!(
        "
apiVersion: v1
kind: Service
metadata: {{ name: {name} }}
spec: {{ clusterIP: None, ports: [{{ port: 15443 }}] }}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{ name: {name}, labels: {{ kubernetes.io/service-name: {name} }} }}
addressType: IPv4
endpoints: [{endpoints}]
ports: [{{ port: 15443 }}]
"
    )
}

/// A split that changes nothing.
pub(crate) const SPLIT_OF_SPREAD: &str = "
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: { name: spread }
spec:
  service: catalog-west
  backends: [{ service: catalog-west, weight: 100 }]
";
