//! The trace context that callers send: what is written after it was read is read again, and says the same.
#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue};
use isthmus_core::trace::{Context, Format, MAX_STATE_BYTES, SpanId, TraceId, extract, inject, state};
use libfuzzer_sys::fuzz_target;

const FIELDS: [&str; 9] = [
    "b3",
    "traceparent",
    "tracestate",
    "uber-trace-id",
    "x-b3-flags",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
];

fuzz_target!(|input: (Vec<(u8, &[u8])>, [u8; 16], [u8; 8])| {
    let (lines, trace, span) = input;
    let mut headers = HeaderMap::new();
    for (index, value) in lines {
        let name = HeaderName::from_static(FIELDS[usize::from(index) % FIELDS.len()]);
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let found = extract(&headers);
    assert_eq!(found.valid.without(found.present), Default::default());
    assert!(state(&headers).len() <= MAX_STATE_BYTES);
    let (Some(trace), Some(span)) = (TraceId::new(trace), SpanId::new(span)) else { return };
    let parent = found.parent.map(|parent| parent.span);
    let sampled = found.sampled.unwrap_or(true);
    let context = Context { trace, span, parent, sampled, debug: found.debug, random: false };
    inject(&mut headers, &context, Format::ALL.into_iter().collect(), &found);
    let again = extract(&headers);
    assert_eq!(again.valid, Format::ALL.into_iter().collect());
    assert_eq!(again.parent.map(|parent| (parent.trace, parent.span)), Some((trace, span)));
    assert_eq!(again.sampled, Some(sampled));
});
