use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::http_match::{HttpMatch, HttpMatchSpec, HttpRequest};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn found(lines: &[(&str, &str)]) -> Found {
    extract(&headers(lines))
}

/// Trace, span, decision and debug flag, as text.
fn told(lines: &[(&str, &str)]) -> Option<(String, String, Option<bool>, bool)> {
    let found = found(lines);
    found.parent.map(|p| (p.trace.to_string(), p.span.to_string(), found.sampled, found.debug))
}

fn known(sampled: Option<bool>, debug: bool) -> Option<(String, String, Option<bool>, bool)> {
    Some((TRACE.into(), SPAN.into(), sampled, debug))
}

#[test]
fn traceparent_is_read_as_the_standard_has_it() {
    let of = |value: String| told(&[("traceparent", &value)]);
    assert_eq!(of(format!("00-{TRACE}-{SPAN}-01")), known(Some(true), false));
    assert_eq!(of(format!("00-{TRACE}-{SPAN}-00")), known(Some(false), false));
    // Flags that this version doesn't know, and a later version with more behind.
    assert_eq!(of(format!("00-{TRACE}-{SPAN}-09")), known(Some(true), false));
    assert_eq!(of(format!("cc-{TRACE}-{SPAN}-01-what-the-future-brings")), known(Some(true), false));
    assert_eq!(of(format!("cc-{TRACE}-{SPAN}-01")), known(Some(true), false));
    // The present version's parts alone are bound to lower case.
    assert_eq!(of(format!("cc-{TRACE}-{SPAN}-01-More")), known(Some(true), false));
    assert_eq!(of(format!("00-{TRACE}-{}-01", SPAN.to_uppercase())), None);
    let zeros = "0".repeat(32);
    for wrong in [
        String::new(),
        format!("00-{TRACE}-{SPAN}-01-more"),
        format!("cc-{TRACE}-{SPAN}-01.more"),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-{zeros}-{SPAN}-01"),
        format!("00-{TRACE}-0000000000000000-01"),
        format!("00-{TRACE}-{SPAN}-1"),
        format!("00-{TRACE}-{SPAN}-0g"),
        format!("00-{TRACE}{SPAN}--01"),
        format!("0-0{TRACE}-{SPAN}-01"),
        format!(" 0-{TRACE}-{SPAN}-01"),
    ] {
        assert_eq!(of(wrong.clone()), None, "{wrong}");
    }
    let line = format!("00-{TRACE}-{SPAN}-01");
    assert_eq!(told(&[("traceparent", &line), ("traceparent", &line)]), None);
    let random = found(&[("traceparent", &format!("00-{TRACE}-{SPAN}-03"))]);
    assert!(random.parent.unwrap().random && random.sampled == Some(true));
}

#[test]
fn b3_in_one_header() {
    let of = |value: String| told(&[("b3", &value)]);
    assert_eq!(of(format!("{TRACE}-{SPAN}-1")), known(Some(true), false));
    assert_eq!(of(format!("{TRACE}-{SPAN}-0-05e3ac9a4f6e3b90")), known(Some(false), false));
    assert_eq!(of(format!("{TRACE}-{SPAN}-d")), known(Some(true), true));
    assert_eq!(of(format!("{TRACE}-{SPAN}")), known(None, false));
    let short = of(format!("{}-{SPAN}-1", &TRACE[16..])).unwrap();
    assert_eq!(short.0, format!("{}{}", "0".repeat(16), &TRACE[16..]));
    for wrong in [
        TRACE.into(),
        format!("{TRACE}-{SPAN}-2"),
        format!("{TRACE}-{SPAN}-1-x"),
        format!("{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90-1"),
        format!("{}-{SPAN}-1", &TRACE[1..]),
        "true".into(),
    ] {
        assert_eq!(of(wrong.clone()), None, "{wrong}");
    }
    // A decision without ids: whatever begins here isn't recorded.
    let denied = found(&[("b3", "0")]);
    assert_eq!((denied.parent, denied.sampled), (None, Some(false)));
    let debug = found(&[("b3", "d")]);
    assert_eq!((debug.parent, debug.sampled, debug.debug), (None, Some(true), true));
}

#[test]
fn b3_in_several_headers() {
    let ids = [("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN)];
    let with = |more: &[(&'static str, &'static str)]| told(&[&ids[..], more].concat());
    assert_eq!(with(&[("x-b3-sampled", "1")]), known(Some(true), false));
    assert_eq!(with(&[("x-b3-sampled", "false")]), known(Some(false), false));
    assert_eq!(with(&[("x-b3-flags", "1"), ("x-b3-sampled", "0")]), known(Some(true), true));
    assert_eq!(with(&[("x-b3-parentspanid", "05e3ac9a4f6e3b90")]), known(None, false));
    assert_eq!(with(&[("x-b3-sampled", "maybe")]), None);
    assert_eq!(told(&ids[..1]), None, "a trace without a span");
    assert_eq!(found(&[("x-b3-sampled", "0")]).sampled, Some(false));
}

#[test]
fn uber_trace_id_and_its_quirks() {
    let of = |value: String| told(&[("uber-trace-id", &value)]);
    assert_eq!(of(format!("{TRACE}:{SPAN}:0:1")), known(Some(true), false));
    assert_eq!(of(format!("{TRACE}:{SPAN}:05e3ac9a4f6e3b90:0")), known(Some(false), false));
    assert_eq!(of(format!("{TRACE}:{SPAN}:0:3")), known(Some(true), true));
    assert_eq!(of(format!("{TRACE}%3A{SPAN}%3a0%3A01")), known(Some(true), false));
    // Leading zeros are dropped.
    assert_eq!(of(format!("{TRACE}:f067aa0ba902b7:0:1")), known(Some(true), false));
    assert_eq!(of("1:2:0:1".into()).unwrap().0, format!("{}1", "0".repeat(31)));
    for wrong in [
        "0:1:0:1".into(),
        "1:0:0:1".into(),
        "1:1:1".into(),
        "1:1::1".into(),
        "1:1:0:1:1".into(),
        "1:1:0:100".into(),
        "1%3B1:0:1".into(),
        format!("0{TRACE}:{SPAN}:0:1"),
        format!("{TRACE}:0{SPAN}:0:1"),
    ] {
        assert_eq!(of(wrong), None);
    }
}

#[test]
fn the_first_format_that_can_be_read_counts() {
    let lines = [("traceparent", "junk"), ("uber-trace-id", "1:2:0:1"), ("b3", "0")];
    let found = found(&lines);
    assert_eq!((found.parent, found.sampled), (None, Some(false)), "b3 comes before uber-trace-id");
    assert_eq!(found.present, [Format::W3c, Format::B3, Format::Jaeger].into_iter().collect());
    assert_eq!(found.valid, [Format::B3, Format::Jaeger].into_iter().collect());
}

#[test]
fn tracestate_goes_with_the_traceparent_that_it_came_with() {
    let context = context([1; 16], [2; 8], Some([3; 8]), 1, false);
    let all = Format::ALL.into_iter().collect();
    let mut kept =
        headers(&[("traceparent", &format!("00-{TRACE}-{SPAN}-01")), ("tracestate", "a=1"), ("tracestate", "b=2")]);
    let found = extract(&kept);
    inject(&mut kept, &context, all, &found);
    assert_eq!(state(&kept), "a=1,b=2");
    let mut lost = headers(&[("traceparent", "junk"), ("tracestate", "a=1")]);
    let found = extract(&lost);
    inject(&mut lost, &context, all, &found);
    assert_eq!(state(&lost), "");
}

#[test]
fn a_span_carries_no_more_of_tracestate_than_it_may() {
    let of = |value: &str| state(&headers(&[("tracestate", value)]));
    assert_eq!(of(" a=1 ,\tb@c=2,, "), "a=1,b@c=2");
    for wrong in ["A=1", "a", "a=", "=1", "a=1=2", &"a=1,".repeat(33)] {
        assert_eq!(of(wrong), "", "{wrong}");
    }
    let long = format!("a={}", "x".repeat(200));
    let short = format!("b={}", "y".repeat(100));
    let value = format!("{long},{short},{short},{short},{short}");
    assert_eq!(of(&value), [short.as_str(); 4].join(","), "long members go first");
    let value = [short.as_str(); 6].join(",");
    assert_eq!(of(&value), [short.as_str(); 4].join(","), "then the last");
}

#[test]
fn a_share_is_the_same_for_everyone_and_as_great_as_it_says() {
    let id = |n: u64| {
        TraceId::new([[1; 8], n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()].concat().try_into().unwrap())
    };
    let share = |ratio: &str| {
        let ratio: Ratio = ratio.parse().unwrap();
        (1..=100_000).filter(|n| ratio.covers(id(*n).unwrap())).count()
    };
    assert_eq!((share("0"), share("1")), (0, 100_000));
    assert!(share("0.01").abs_diff(1_000) < 100 && share("0.5").abs_diff(50_000) < 500);
    let (less, more): (Ratio, Ratio) = ("0.1".parse().unwrap(), "0.2".parse().unwrap());
    assert!(
        (1..10_000).filter_map(id).all(|id| !less.covers(id) || more.covers(id)),
        "a greater share holds the lesser"
    );
    for wrong in ["-0.1", "1.1", "NaN", "1%", ""] {
        assert_eq!(wrong.parse::<Ratio>(), Err(BadRatio(wrong.into())));
    }
}

#[test]
fn a_route_has_a_share_of_its_own_unless_it_was_decided_before() {
    let spec = HttpMatchSpec { path_regex: Some("/pay".into()), ..Default::default() };
    let pay = SampledRoute { matches: vec![HttpMatch::compile(spec).unwrap()], ratio: Ratio::per_million(1_000_000) };
    let sampling = Sampling { ratio: Ratio::default(), routes: &[pay] };
    let none = HeaderMap::new();
    let asked = |path, sampled| {
        let request = HttpRequest { method: "GET", path, authority: "", headers: &none };
        sampling.decide(&Found { sampled, ..Found::default() }, TraceId([1; 16]), || request)
    };
    assert!(asked("/pay/1", None) && !asked("/look", None));
    assert!(!asked("/pay/1", Some(false)) && asked("/look", Some(true)));
}

fn context(trace: [u8; 16], span: [u8; 8], parent: Option<[u8; 8]>, decision: u8, random: bool) -> Context {
    let (trace, span) = (TraceId::new(trace).unwrap(), SpanId::new(span).unwrap());
    let (sampled, debug) = (decision > 0, decision > 1);
    Context { trace, span, parent: parent.and_then(SpanId::new), sampled, debug, random }
}

proptest! {
    /// What is written in a format is read again from it, whatever was there before.
    #[test]
    fn contexts_go_round(
        trace: [u8; 16], short: bool, span: [u8; 8], parent: Option<[u8; 8]>, decision in 0_u8..3, random: bool,
        before in prop::collection::vec((0_usize..9, "[ -~]{0,60}"), 0..6),
    ) {
        let mut trace = trace;
        if short { trace[..8].fill(0); }
        prop_assume!(TraceId::new(trace).is_some() && SpanId::new(span).is_some());
        let context = context(trace, span, parent, decision, random);
        let names = ["traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags", "uber-trace-id"];
        let lines: Vec<_> = before.iter().map(|(name, value)| (names[*name], value.as_str())).collect();
        for format in Format::ALL {
            let mut headers = headers(&lines);
            let found = extract(&headers);
            // Those with precedence would be read instead.
            for name in names {
                if format != Format::W3c { headers.remove(name); }
            }
            inject(&mut headers, &context, Formats::from_iter([format]), &found);
            let read = extract(&headers);
            let parent = read.parent.unwrap();
            prop_assert_eq!((parent.trace, parent.span, read.sampled), (context.trace, context.span, Some(context.sampled)));
            prop_assert_eq!(read.debug, context.debug && format != Format::W3c);
            prop_assert_eq!(parent.random, random && format == Format::W3c);
        }
    }
}

#[test]
fn a_share_takes_its_part_of_evenly_spread_chances() {
    let taken = |text: &str| {
        let share: Ratio = text.parse().unwrap();
        (0..1000u64).filter(|i| share.takes(i * (u64::MAX / 1000))).count()
    };
    assert_eq!((taken("0"), taken("1")), (0, 1000));
    assert!((249..=251).contains(&taken("0.25")));
}
