//! A finished request as an OpenTelemetry span: the semantic conventions for HTTP and RPC, and what the mesh knows besides.

mod status;

use std::time::{SystemTime, UNIX_EPOCH};

use http::{Method, Version};
use isthmus_api::otlp::v1::{AnyValue, KeyValue, Span, Status, any_value::Value, span::SpanKind, status::StatusCode};

use self::status::Ended;
use super::span::{Finished, Peer};
use crate::metrics::Direction;

/// The conventions' version that names and attributes are of.
pub(super) const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

/// The parent is known to be in another process, or not to be (SpanFlags).
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// Methods that are named as they are; others might be anything.
const METHODS: [Method; 9] = [
    Method::CONNECT,
    Method::DELETE,
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PATCH,
    Method::POST,
    Method::PUT,
    Method::TRACE,
];

/// One attribute.
pub(super) fn text(key: &str, value: impl Into<String>) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(Value::StringValue(value.into())) }) }
}

fn number(key: &str, value: impl Into<i64>) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(Value::IntValue(value.into())) }) }
}

/// The span of a request.
pub(super) fn span(of: Finished) -> Span {
    let ended = Ended::of(&of);
    let context = of.context;
    let flags = u32::from(context.sampled) | u32::from(context.random) << 1;
    let remote = if context.parent.is_some() { HAS_IS_REMOTE | IS_REMOTE } else { 0 };
    let begun = nanos(of.begun);
    let took = u64::try_from(of.took.as_nanos()).unwrap_or(u64::MAX);
    let inbound = of.direction == Direction::Inbound;
    let mut attributes = Vec::with_capacity(24);
    http(&of, &mut attributes);
    match inbound {
        true => server(&of, &mut attributes),
        false => client(&of, &mut attributes),
    }
    attributes.extend(ended.error.as_deref().map(|error| text("error.type", error)));
    Span {
        trace_id: context.trace.bytes().to_vec().into(),
        span_id: context.span.bytes().to_vec().into(),
        parent_span_id: context.parent.map(|id| id.bytes().to_vec().into()).unwrap_or_default(),
        flags: flags | remote,
        name: name(&of),
        kind: if inbound { SpanKind::Server } else { SpanKind::Client }.into(),
        start_time_unix_nano: begun,
        end_time_unix_nano: begun.saturating_add(took),
        status: ended.failed.then(|| Status { message: String::new(), code: StatusCode::Error.into() }),
        trace_state: of.state,
        attributes,
    }
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// A gRPC call's service and method.
fn call(of: &Finished) -> Option<(&str, &str)> {
    of.grpc?;
    of.path.strip_prefix('/')?.rsplit_once('/').filter(|(service, method)| !service.is_empty() && !method.is_empty())
}

/// A name of which there are few: the method and the Service that was called, or a gRPC call's own name.
fn name(of: &Finished) -> String {
    if let Some((service, method)) = call(of) {
        return format!("{service}/{method}");
    }
    let method = if METHODS.contains(&of.method) { of.method.as_str() } else { "HTTP" };
    match &*of.service {
        "" => method.to_owned(),
        service => format!("{method} {service}"),
    }
}

/// What both sides say.
fn http(of: &Finished, to: &mut Vec<KeyValue>) {
    if METHODS.contains(&of.method) {
        to.push(text("http.request.method", of.method.as_str()));
    } else {
        to.push(text("http.request.method", "_OTHER"));
        to.push(text("http.request.method_original", of.method.as_str()));
    }
    if of.status > 0 {
        to.push(number("http.response.status_code", of.status));
    }
    to.push(text("network.protocol.name", "http"));
    to.push(text(
        "network.protocol.version",
        match of.version {
            Version::HTTP_2 => "2",
            Version::HTTP_10 => "1.0",
            _ => "1.1",
        },
    ));
    let (host, port) = match of.authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse::<u16>().ok()),
        _ => (of.authority.as_str(), None),
    };
    if !host.is_empty() {
        to.push(text("server.address", host.trim_start_matches('[').trim_end_matches(']')));
        to.push(number("server.port", port.unwrap_or(80)));
    }
    if let Some((service, method)) = call(of) {
        to.push(text("rpc.system", "grpc"));
        to.push(text("rpc.service", service));
        to.push(text("rpc.method", method));
        if let Some(status) = of.grpc.flatten() {
            to.push(number("rpc.grpc.status_code", status));
        }
    }
    if !of.service.is_empty() {
        to.push(text("isthmus.service", &*of.service));
    }
    to.extend(of.fault.map(|fault| text("isthmus.error", fault.as_str())));
}

/// What the callee's side says.
fn server(of: &Finished, to: &mut Vec<KeyValue>) {
    to.push(text("url.scheme", "http"));
    to.push(text("url.path", &*of.path));
    to.push(text("client.address", of.caller.addr.ip().to_canonical().to_string()));
    peer(&of.caller, to);
    to.extend(of.grant.as_ref().map(|grant| text("isthmus.grant", grant.to_string())));
    if let Some(code) = of.denied {
        // In audit mode it was let through.
        let key = if of.callee.is_none() { "isthmus.deny" } else { "isthmus.audit" };
        to.push(text(key, code.as_str()));
    }
}

/// What the caller's side says.
fn client(of: &Finished, to: &mut Vec<KeyValue>) {
    to.push(text("url.full", format!("http://{}{}", of.authority, of.path)));
    if let Some(callee) = &of.callee {
        peer(callee, to);
    }
    if of.resent > 0 {
        to.push(number("http.request.resend_count", of.resent));
    }
    if !of.backend.is_empty() {
        to.push(text("isthmus.backend", &*of.backend));
    }
    to.extend(of.split.as_ref().map(|split| text("isthmus.split", &**split)));
}

/// Who is on the other side. Behind a gateway the address is the gateway's.
fn peer(of: &Peer, to: &mut Vec<KeyValue>) {
    to.push(text("network.peer.address", of.addr.ip().to_canonical().to_string()));
    to.push(number("network.peer.port", of.addr.port()));
    let Some(id) = &of.identity else { return };
    to.push(text("isthmus.peer.id", id.as_str()));
    to.push(text("isthmus.peer.mesh", id.trust_domain().as_str()));
    let Some(workload) = &of.workload else { return };
    if !workload.name.is_empty() {
        to.push(text("isthmus.peer.workload", format!("{}/{}", workload.kind, workload.name)));
    }
    if !workload.pod.is_empty() {
        to.push(text("isthmus.peer.pod", &*workload.pod));
    }
}

#[cfg(test)]
pub(super) mod tests;
