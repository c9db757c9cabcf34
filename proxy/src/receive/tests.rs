use http::header::{AUTHORIZATION, CONNECTION};
use isthmus_core::http_match::HttpRequest;
use proptest::prelude::*;

use super::*;

fn request(method: &str, target: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri(target).body(()).unwrap();
    for (name, value) in fields {
        request
            .headers_mut()
            .append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    request
}

fn inbound(mut request: Request<()>) -> Result<Request<()>, Fault> {
    receive(&mut request, Direction::Inbound).map(|()| request)
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let host = ("host", "a");
    for fields in [
        &[host, host][..],
        &[],
        &[host, ("transfer-encoding", "gzip, chunked")],
        &[host, ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
        &[host, ("content-length", "3"), ("content-length", "3")],
        &[("host", "a b")],
        &[("host", "user@a")],
        &[("host", "a,b")],
    ] {
        assert_eq!(inbound(request("POST", "/", fields)).unwrap_err(), Fault::BadRequest, "{fields:?}");
    }
    for (method, target) in [
        ("GET", "*"),
        ("GET", "web"),
        ("GET", "web:80"),
        ("CONNECT", "web"),
        ("CONNECT", "/"),
        ("GET", "ftp://web/"),
        ("GET", "http://user@web/"),
        ("GET", "/a/../b"),
    ] {
        assert_eq!(inbound(request(method, target, &[host])).unwrap_err(), Fault::BadRequest, "{method} {target}");
    }
}

#[test]
fn what_can_be_read_in_one_way_is_taken() {
    let host = ("host", "a");
    for (method, target, fields) in [
        ("POST", "/", &[host, ("transfer-encoding", "Chunked")][..]),
        ("OPTIONS", "*", &[host]),
        ("CONNECT", "web:80", &[host]),
        ("GET", "http://web/a", &[]),
        ("GET", "http://web", &[("host", "other")]),
        ("GET", "/", &[("host", "")]),
    ] {
        assert!(inbound(request(method, target, fields)).is_ok(), "{method} {target} {fields:?}");
    }
    let mut old = request("GET", "/", &[]);
    *old.version_mut() = Version::HTTP_10;
    assert_eq!(inbound(old).unwrap().headers()[HOST], "");
}

#[test]
fn too_many_fields_are_refused() {
    let mut many = request("GET", "/", &[("host", "a")]);
    for n in 1..HEADER_FIELDS {
        many.headers_mut().append(HeaderName::try_from(format!("x-{n}")).unwrap(), HeaderValue::from_static("1"));
    }
    let mut more = many.clone();
    assert!(inbound(many).is_ok());
    more.headers_mut().append("x-1", HeaderValue::from_static("2"));
    assert_eq!(inbound(more).unwrap_err(), Fault::HeadTooLarge);
}

#[test]
fn what_is_matched_is_what_is_forwarded() {
    let mut twisted =
        inbound(request("GET", "/%61dmin%2f?q=%61", &[("host", "a"), ("connection", "x-tenant"), ("x-tenant", "b")]))
            .unwrap();
    let HttpRequest { path, headers, .. } = hop::as_matched(&twisted);
    assert_eq!((path, headers.contains_key("x-tenant")), ("/admin%2F", false));
    hop::fit(&mut twisted).unwrap();
    assert_eq!(twisted.uri(), "/admin%2F?q=%61");
}

#[test]
fn claims_of_identity_are_taken_away_in_every_form() {
    let claims = [
        ("x-isthmus-client-id", "a"),
        ("x_isthmus_client_id", "a"),
        ("x-isthmus_client-id", "a"),
        ("l5d-client-id", "a"),
        ("x-forwarded-client-cert", "a"),
        ("x_forwarded_client_cert", "a"),
    ];
    let all = [&[("host", "a"), ("x-isthmus-client", "b"), ("x-forwarded-for", "c")][..], &claims].concat();
    let mut left: Vec<String> =
        inbound(request("GET", "/", &all)).unwrap().headers().keys().map(ToString::to_string).collect();
    left.sort();
    assert_eq!(left, ["host", "x-forwarded-for", "x-isthmus-client"]);
    let mut outbound = request("GET", "/", &all);
    receive(&mut outbound, Direction::Outbound).unwrap();
    assert!(
        outbound.headers().contains_key("x-forwarded-client-cert")
            && !outbound.headers().contains_key("x_isthmus_client_id")
    );
}

#[test]
fn what_others_rely_on_cannot_be_named_away() {
    let fields = [
        ("host", "a"),
        ("connection", "close, Host, authorization, cookie, content-length, x-isthmus-client-id, x-mine"),
        ("authorization", "b"),
        ("content-length", "3"),
        ("x-mine", "c"),
    ];
    let request = inbound(request("POST", "/", &fields)).unwrap();
    let headers = request.headers();
    assert!(headers.contains_key(HOST) && headers.contains_key(AUTHORIZATION) && headers.contains_key(CONTENT_LENGTH));
    assert!(!headers.contains_key("x-mine") && !headers.contains_key(CONNECTION));
}

proptest! {
    /// The path that matches see is the path that is sent, byte by byte, on HTTP/1 and HTTP/2, and a second hop changes nothing.
    #[test]
    fn no_path_is_matched_otherwise_than_forwarded(
        parts in prop::collection::vec("(\\.|%2e|/|%2f|%5c|;|%3b|%|%25|%41|%c3|a|B|~|//|\\?|=)", 0..12),
        h2: bool,
    ) {
        let target = format!("http://web/{}", parts.concat());
        let Ok(mut sent) = Request::builder().uri(target).body(()) else { return Ok(()) };
        if h2 {
            *sent.version_mut() = Version::HTTP_2;
        }
        if receive(&mut sent, Direction::Inbound).is_ok() {
            let matched = hop::as_matched(&sent).path.to_owned();
            hop::fit(&mut sent).unwrap();
            prop_assert_eq!(sent.uri().path(), &matched);
            let once = sent.uri().clone();
            prop_assert_eq!(receive(&mut sent, Direction::Inbound), Ok(()));
            prop_assert_eq!(sent.uri(), &once);
        }
    }
}
