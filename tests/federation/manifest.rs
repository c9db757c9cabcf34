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
