//! `log`, `exec`, `attach` and `portforward`: passed on to the kubelet of the Pod's node.

use std::net::{IpAddr, SocketAddr};

use http::{Request, Uri};
use hyper::body::Incoming;
use isthmus_local_callout::tunnel::Kubelet;
use isthmus_local_machinery::status::ApiError;
use isthmus_local_store::Key;
use serde_json::Value;

use crate::call::Call;
use crate::core::Core;
use crate::dispatch::Visit;
use crate::http::reply::Reply;

/// The port of a kubelet whose node doesn't say.
const KUBELET_PORT: u16 = 10250;

pub(crate) fn is_stream(call: &Call) -> bool {
    call.kind.is("", "pods") && matches!(call.subresource.as_str(), "log" | "exec" | "attach" | "portforward")
}

pub(crate) async fn forward(visit: Visit, call: &Call, mut request: Request<Incoming>) -> Result<Reply, ApiError> {
    let core = &visit.core;
    let namespace = call.namespace.as_deref().unwrap_or_default();
    let pod = core.store.get(&Key::new("/pods", Some(namespace), &call.name)).ok_or_else(|| call.not_found())?.object;
    let node = pod.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or_default();
    if node.is_empty() {
        return Err(ApiError::bad_request(format!("pod {} does not have a host assigned", call.name)));
    }
    let kubelet = kubelet(core, node)?;
    *request.uri_mut() = path(call, namespace, &pod)?;
    core.callouts.callout.kubelet(&kubelet, request).await
}

fn kubelet(core: &Core, node: &str) -> Result<Kubelet, ApiError> {
    let entry = core.store.get(&Key::new("/nodes", None, node)).ok_or_else(|| ApiError::not_found("nodes", node))?;
    let addresses = entry.object.pointer("/status/addresses").and_then(Value::as_array);
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let internal = addresses.into_iter().flatten().find(|address| text(address, "type") == "InternalIP");
    let address = internal.and_then(|address| text(address, "address").parse::<IpAddr>().ok());
    let Some(address) = address else {
        return Err(ApiError::internal(&format!("node {node:?} has no address of type InternalIP in its status")));
    };
    let port = entry.object.pointer("/status/daemonEndpoints/kubeletEndpoint/Port").and_then(Value::as_u64);
    let port = port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0).unwrap_or(KUBELET_PORT);
    Ok(Kubelet {
        addr: SocketAddr::new(address, port),
        server_name: address.to_string(),
        bundle: core.pki.ca_pem().to_owned(),
        identity: core.callouts.kubelet.clone(),
    })
}

/// The kubelet's own path for the request.
fn path(call: &Call, namespace: &str, pod: &Value) -> Result<Uri, ApiError> {
    let name = &call.name;
    let mut query = Vec::new();
    let mut pass = |from: &'static str, to: &'static str| {
        query.extend(call.query.all(from).map(|value| format!("{to}={}", encode(value))));
    };
    let path = match call.subresource.as_str() {
        "portforward" => {
            pass("ports", "port");
            format!("/portForward/{namespace}/{name}")
        }
        "log" => {
            for field in ["follow", "timestamps", "previous", "tailLines", "limitBytes", "sinceSeconds", "sinceTime"] {
                pass(field, field);
            }
            format!("/containerLogs/{namespace}/{name}/{}", container(call, pod)?)
        }
        verb => {
            for (from, to) in [("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty")] {
                if call.query.flag(from) {
                    query.push(format!("{to}=1"));
                }
            }
            query.extend(call.query.all("command").map(|value| format!("command={}", encode(value))));
            format!("/{verb}/{namespace}/{name}/{}", container(call, pod)?)
        }
    };
    let text = if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) };
    text.parse().map_err(|_| ApiError::bad_request("the request names no usable path: see its name and container"))
}

/// The container that the query names, which must be one of the Pod's; without a name the Pod's only one.
fn container(call: &Call, pod: &Value) -> Result<String, ApiError> {
    let names = |field: &str| -> Vec<String> {
        let list = pod.pointer(field).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(|container| container.get("name")?.as_str()).map(str::to_owned).collect()
    };
    let (main, init) = (names("/spec/containers"), names("/spec/initContainers"));
    if let Some(asked) = call.query.get("container") {
        if main.iter().chain(&init).any(|name| name == asked) {
            return Ok(asked.to_owned());
        }
        return Err(ApiError::bad_request(format!("container {asked} is not valid for pod {}", call.name)));
    }
    match main.as_slice() {
        [only] => Ok(only.clone()),
        _ => {
            let choice = format!("choose one of: [{}]", main.join(" "));
            let why = format!("a container name must be specified for pod {}, {choice}", call.name);
            Err(ApiError::bad_request(why))
        }
    }
}

/// Percent-encodes all but unreserved characters.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
