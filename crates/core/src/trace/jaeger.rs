//! Jaeger's `uber-trace-id`: `trace:span:parent:flags`.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Context, Malformed, Parent, Said, SpanId, TraceId, hex};

const UBER_TRACE_ID: HeaderName = HeaderName::from_static("uber-trace-id");

const SAMPLED: u8 = 0x01;
const DEBUG: u8 = 0x02;
/// Longest value: 32, 16, 16 and 2 digits with the colons between them encoded.
const LONGEST: usize = 32 + 16 + 16 + 2 + 3 * 3;

/// `None`: there is none.
pub(super) fn read(headers: &HeaderMap) -> Option<Result<Said, Malformed>> {
    let value = headers.get(UBER_TRACE_ID)?.as_bytes();
    if headers.get_all(UBER_TRACE_ID).iter().nth(1).is_some() || value.len() > LONGEST {
        return Some(Err(Malformed));
    }
    // Some clients encode the value like a URL's query.
    let said = match value.contains(&b'%') {
        true => parse(&decoded(value)),
        false => parse(value),
    };
    Some(said.ok_or(Malformed))
}

fn decoded(value: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, after)) = rest.split_first() {
        let colon = after.split_at_checked(2).filter(|(code, _)| *first == b'%' && code.eq_ignore_ascii_case(b"3A"));
        let (byte, after) = colon.map_or((*first, after), |(_, after)| (b':', after));
        text.push(byte);
        rest = after;
    }
    text
}

/// Leading zeros may be missing in every part.
fn parse(text: &[u8]) -> Option<Said> {
    let mut parts = text.split(|byte| *byte == b':');
    let trace = TraceId::new(hex::padded(parts.next()?)?)?;
    let span = SpanId::new(hex::padded(parts.next()?)?)?;
    // Clients have given up on saying the parent's parent, but it must be there.
    hex::padded::<8>(parts.next()?)?;
    let [flags] = hex::padded(parts.next()?)?;
    if parts.next().is_some() {
        return None;
    }
    let debug = flags & DEBUG != 0;
    let parent = Some(Parent { trace, span, random: false });
    Some(Said { parent, sampled: Some(debug || flags & SAMPLED != 0), debug })
}

pub(super) fn write(headers: &mut HeaderMap, context: &Context) {
    let mut text = Vec::with_capacity(LONGEST);
    hex::write(&mut text, context.trace.0.get(if context.trace.is_short() { 8.. } else { 0.. }).unwrap_or_default());
    text.push(b':');
    hex::write(&mut text, &context.span.0);
    text.extend_from_slice(match (context.debug, context.sampled) {
        (true, _) => b":0:3",
        (false, true) => b":0:1",
        (false, false) => b":0:0",
    });
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(UBER_TRACE_ID, value);
    }
}
