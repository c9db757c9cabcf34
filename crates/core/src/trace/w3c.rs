//! W3C Trace Context, level 2: `traceparent`.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Context, Lines, Malformed, Parent, Said, SpanId, TraceId, hex};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Length of version 00.
const LENGTH: usize = 55;
const SAMPLED: u8 = 0x01;
const RANDOM: u8 = 0x02;

/// `None`: there is none.
pub(super) fn read(lines: Lines<'_>) -> Option<Result<Said, Malformed>> {
    match lines {
        Lines::None => None,
        Lines::One(value) => Some(parse(value.as_bytes()).ok_or(Malformed)),
        Lines::Several => Some(Err(Malformed)),
    }
}

fn parse(text: &[u8]) -> Option<Said> {
    let ([version], text) = number(text)?;
    let (trace, text) = number(text.strip_prefix(b"-")?)?;
    let (span, text) = number(text.strip_prefix(b"-")?)?;
    let ([flags], rest) = number(text.strip_prefix(b"-")?)?;
    let (trace, span) = (TraceId::new(trace)?, SpanId::new(span)?);
    let fits = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.is_empty() || rest.starts_with(b"-"),
    };
    if !fits {
        return None;
    }
    let random = flags & RANDOM != 0;
    Some(Said { parent: Some(Parent { trace, span, random }), sampled: Some(flags & SAMPLED != 0), debug: false })
}

/// A number of so many bytes, and what is behind it. Upper case isn't allowed here.
fn number<const N: usize>(text: &[u8]) -> Option<([u8; N], &[u8])> {
    let (digits, rest) = text.split_at_checked(2 * N)?;
    Some((hex::lower(digits)?, rest))
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
