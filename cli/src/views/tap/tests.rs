#![allow(clippy::unwrap_used)]

use clap::Parser;
use http::StatusCode;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    tap: TapArgs,
}

fn args(words: &[&str]) -> TapArgs {
    Cli::try_parse_from([&["tap"], words].concat()).unwrap().tap
}

#[test]
fn what_is_asked_for_is_in_the_path() {
    let whole = target::path("shop", &args(&[])).unwrap();
    assert_eq!(whole, "/apis/tap.isthmus.mesh/v1alpha1/watch/namespaces/shop/tap?seconds=600");
    let words = ["deploy/web", "--direction=inbound", "--path=/a b", "--status=5xx", "--peer=pod/x-0", "--for=1m"];
    let one = target::path("shop", &args(&words)).unwrap();
    let end = "deployments/web/tap?seconds=60&direction=inbound&path=%2Fa%20b&status=5xx&peerPod=x-0";
    assert!(one.ends_with(end), "{one}");
    let words = ["svc/web", "--peer=sts/db", "--service=shop/web", "--max-rps=5"];
    let one = target::path("shop", &args(&words)).unwrap();
    let end = "services/web/tap?seconds=600&service=shop%2Fweb&peerKind=StatefulSet&peerName=db&maxRps=5";
    assert!(one.ends_with(end), "{one}");
}

#[test]
fn a_name_leads_nowhere_else() {
    let path = target::path("..", &args(&["pod/../../secrets"])).unwrap();
    assert!(path.contains("/watch/namespaces/%2E%2E/pods/..%2F..%2Fsecrets/tap?"), "{path}");
}

#[test]
fn what_can_not_be_tapped_is_said_at_the_door() {
    for (word, remedy) in [("web", "deploy/web"), ("ns/shop", "-n alone"), ("ts/x", "no pods"), ("x/y", "resource")] {
        let error = Cli::try_parse_from(["tap", word]).map(drop).unwrap_err().to_string();
        assert!(error.contains(remedy), "{error}");
    }
    assert!(Cli::try_parse_from(["tap", "--for=2h"]).is_err());
    let fault = target::path("shop", &args(&["--peer=svc/web"])).unwrap_err();
    assert_eq!(fault.exit_code(), 64);
}

#[test]
fn lines_are_read_whole() {
    let mut held = b"{\"a\":1}\n\n{\"b\"".to_vec();
    assert_eq!(stream::next(&mut held).as_deref(), Some("{\"a\":1}"));
    assert_eq!(stream::next(&mut held).as_deref(), Some(""));
    assert_eq!(stream::next(&mut held), None);
    held.extend_from_slice(b":2}\n");
    assert_eq!(stream::next(&mut held).as_deref(), Some("{\"b\":2}"));
}

#[test]
fn a_request_is_a_line_that_steers_no_terminal() {
    let told = r#"{"timestamp":"2026-11-22T04:05:06.789012Z","pod":"shop/web-0","direction":"inbound","protocol":"http",
        "peer_namespace":"shop","peer_workload":"front","method":"GET","path":"/a\u001b[2J","status":403,"deny":"no-grant",
        "duration_us":1500,"missed":3}"#;
    let line = line::shown(told).unwrap();
    assert!(line.starts_with("04:05:06.789     shop/web-0"), "{line}");
    assert!(line.contains("<- shop/front") && line.contains(" 403 ") && line.contains("1.5 ms  no-grant"), "{line}");
    assert!(line.contains("3 before it weren't told") && !line.contains('\u{1b}'), "{line}");
    assert!(line::shown("{}").is_err());
}

#[test]
fn refusals_say_what_to_do() {
    let told = r#"{"message":"status: \"9\" must be like 503 or 5xx"}"#;
    let fault = Fault::of(StatusCode::BAD_REQUEST, told);
    assert!(fault.to_string().contains("must be like 503"), "{fault}");
    assert_eq!(Fault::of(StatusCode::NOT_FOUND, "").exit_code(), 69);
    let forbidden = Fault::of(StatusCode::FORBIDDEN, told);
    assert!(forbidden.exit_code() == 77 && forbidden.to_string().contains("isthmus-tap"));
}

#[test]
fn a_warning_is_its_text() {
    assert_eq!(stream::text_of("299 - \"incomplete: replica b isn't heard\""), "incomplete: replica b isn't heard");
    assert_eq!(stream::text_of("words"), "words");
}
