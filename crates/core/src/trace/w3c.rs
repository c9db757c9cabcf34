//! W3C Trace Context, level 2: `traceparent`.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Context, Malformed, Parent, Said, SpanId, TraceId, hex};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Length of version 00; later versions may only add to it.
const LENGTH: usize = 55;
const SAMPLED: u8 = 0x01;
const RANDOM: u8 = 0x02;

/// `None`: there is none.
pub(super) fn read(headers: &HeaderMap) -> Option<Result<Said, Malformed>> {
    let value = headers.get(TRACEPARENT)?;
    if headers.get_all(TRACEPARENT).iter().nth(1).is_some() {
        return Some(Err(Malformed));
    }
    Some(parse(value.as_bytes()).ok_or(Malformed))
}

fn parse(text: &[u8]) -> Option<Said> {
    // Upper case isn't allowed here.
    if text.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let (head, rest) = text.split_at_checked(LENGTH)?;
    let mut parts = head.split(|byte| *byte == b'-');
    let [version] = hex::exact(parts.next()?)?;
    let trace = TraceId::new(hex::exact(parts.next()?)?)?;
    let span = SpanId::new(hex::exact(parts.next()?)?)?;
    let [flags] = hex::exact(parts.next()?)?;
    let fits = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.is_empty() || rest.starts_with(b"-"),
    };
    if !fits || parts.next().is_some() {
        return None;
    }
    let random = flags & RANDOM != 0;
    Some(Said { parent: Some(Parent { trace, span, random }), sampled: Some(flags & SAMPLED != 0), debug: false })
}

pub(super) fn write(headers: &mut HeaderMap, context: &Context) {
    let mut text = Vec::with_capacity(LENGTH);
    text.extend_from_slice(b"00-");
    hex::write(&mut text, &context.trace.0);
    text.push(b'-');
    hex::write(&mut text, &context.span.0);
    text.push(b'-');
    let random = if context.random { RANDOM } else { 0 };
    hex::write(&mut text, &[(u8::from(context.sampled) * SAMPLED) | random]);
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(TRACEPARENT, value);
    }
}
