//! B3, in one header and in several (openzipkin/b3-propagation).

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Context, Malformed, Parent, Said, SpanId, TraceId, hex};

const B3: HeaderName = HeaderName::from_static("b3");
const TRACE_ID: HeaderName = HeaderName::from_static("x-b3-traceid");
const SPAN_ID: HeaderName = HeaderName::from_static("x-b3-spanid");
const PARENT_ID: HeaderName = HeaderName::from_static("x-b3-parentspanid");
const SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
const FLAGS: HeaderName = HeaderName::from_static("x-b3-flags");

/// A header's only value.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<Result<&[u8], Malformed>> {
    let value = headers.get(&name)?.as_bytes();
    let several = headers.get_all(name).iter().nth(1).is_some();
    Some(if several { Err(Malformed) } else { Ok(value.trim_ascii()) })
}

/// A decision, and whether it is the debug flag's.
fn decision(text: &[u8]) -> Option<(bool, bool)> {
    match text {
        b"0" => Some((false, false)),
        b"1" => Some((true, false)),
        b"d" => Some((true, true)),
        _ => None,
    }
}

/// Trace ids have 128 bits, or 64.
fn trace_id(text: &[u8]) -> Option<TraceId> {
    if text.len() != 16 && text.len() != 32 {
        return None;
    }
    TraceId::new(hex::padded(text)?)
}

fn span_id(text: &[u8]) -> Option<SpanId> {
    SpanId::new(hex::exact(text)?)
}

/// `None`: there is none.
pub(super) fn read(headers: &HeaderMap) -> Option<Result<Said, Malformed>> {
    Some(only(headers, B3)?.and_then(|text| parse(text).ok_or(Malformed)))
}

/// `trace-span`, `trace-span-decision`, `trace-span-decision-parent`, or the decision alone.
fn parse(text: &[u8]) -> Option<Said> {
    if let Some((sampled, debug)) = decision(text) {
        return Some(Said { parent: None, sampled: Some(sampled), debug });
    }
    let mut parts = text.split(|byte| *byte == b'-');
    let (trace, span) = (trace_id(parts.next()?)?, span_id(parts.next()?)?);
    let decided = parts.next().map(|text| decision(text).ok_or(Malformed)).transpose().ok()?;
    let parent = parts.next().map(|text| span_id(text).ok_or(Malformed)).transpose();
    if parent.is_err() || parts.next().is_some() {
        return None;
    }
    let parent = Some(Parent { trace, span, random: false });
    Some(Said { parent, sampled: decided.map(|(sampled, _)| sampled), debug: decided.is_some_and(|(_, debug)| debug) })
}

/// `None`: there is none.
pub(super) fn read_multi(headers: &HeaderMap) -> Option<Result<Said, Malformed>> {
    if ![TRACE_ID, SAMPLED, FLAGS].iter().any(|name| headers.contains_key(name)) {
        return None;
    }
    Some(parse_multi(headers).ok_or(Malformed))
}

fn parse_multi(headers: &HeaderMap) -> Option<Said> {
    let value = |name| only(headers, name).transpose();
    let parent = match (value(TRACE_ID).ok()?, value(SPAN_ID).ok()?) {
        (Some(trace), Some(span)) => Some(Parent { trace: trace_id(trace)?, span: span_id(span)?, random: false }),
        (None, None) => None,
        _ => return None,
    };
    let debug = value(FLAGS).ok()? == Some(b"1");
    let sampled = match value(SAMPLED).ok()? {
        _ if debug => Some(true),
        None => None,
        // Some older libraries say it in words.
        Some(b"1" | b"true") => Some(true),
        Some(b"0" | b"false") => Some(false),
        Some(_) => return None,
    };
    Some(Said { parent, sampled, debug })
}

fn trace_digits(text: &mut Vec<u8>, trace: TraceId) {
    hex::write(text, trace.0.get(if trace.is_short() { 8.. } else { 0.. }).unwrap_or_default());
}

pub(super) fn write(headers: &mut HeaderMap, context: &Context) {
    let mut text = Vec::with_capacity(68);
    trace_digits(&mut text, context.trace);
    text.push(b'-');
    hex::write(&mut text, &context.span.0);
    text.extend_from_slice(match (context.debug, context.sampled) {
        (true, _) => b"-d",
        (false, true) => b"-1",
        (false, false) => b"-0",
    });
    if let Some(parent) = context.parent {
        text.push(b'-');
        hex::write(&mut text, &parent.0);
    }
    set(headers, B3, text);
}

pub(super) fn write_multi(headers: &mut HeaderMap, context: &Context) {
    let mut trace = Vec::with_capacity(32);
    trace_digits(&mut trace, context.trace);
    set(headers, TRACE_ID, trace);
    let digits = |id: SpanId| hex::written(&id.0).into_bytes();
    set(headers, SPAN_ID, digits(context.span));
    match context.parent {
        Some(parent) => set(headers, PARENT_ID, digits(parent)),
        None => drop(headers.remove(PARENT_ID)),
    }
    // The debug flag stands in for the decision.
    if context.debug {
        headers.remove(SAMPLED);
        headers.insert(FLAGS, HeaderValue::from_static("1"));
    } else {
        headers.remove(FLAGS);
        headers.insert(SAMPLED, HeaderValue::from_static(if context.sampled { "1" } else { "0" }));
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, text: Vec<u8>) {
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(name, value);
    }
}
