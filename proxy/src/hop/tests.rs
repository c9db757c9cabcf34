use http::Uri;

use super::*;

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    fields.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
}

#[test]
fn fields_of_one_hop_are_taken_away() {
    let mut map = headers(&[
        ("connection", "close, X-Mine"),
        ("x-mine", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("te", "gzip"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
        ("trailer", "x-sum"),
        ("x-end", "2"),
    ]);
    strip(&mut map, None);
    assert_eq!(map, headers(&[("trailer", "x-sum"), ("x-end", "2")]));
}

#[test]
fn trailers_stay_possible_and_the_host_cannot_be_named_away() {
    let mut map = headers(&[("connection", "te, host"), ("te", "trailers"), ("host", "a")]);
    strip(&mut map, None);
    assert_eq!(map, headers(&[("te", "trailers"), ("host", "a")]));
}

#[test]
fn an_upgrade_is_passed_on_but_for_h2c() {
    let mut map = headers(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
    let upgrade = upgrade_of(&map);
    assert_eq!(upgrade.as_ref().unwrap(), "websocket");
    strip(&mut map, upgrade);
    assert_eq!(map, headers(&[("upgrade", "websocket"), ("connection", "upgrade")]));
    assert_eq!(upgrade_of(&headers(&[("connection", "upgrade"), ("upgrade", "H2C")])), None);
    assert_eq!(upgrade_of(&headers(&[("connection", "close"), ("upgrade", "websocket")])), None);
}

#[test]
fn http1_gets_origin_form_and_the_targets_host() {
    let mut request = Request::get("http://web.shop:8080/a?b").header(HOST, "lies").body(()).unwrap();
    assert_eq!(as_matched(&request).authority, "web.shop:8080");
    fit(&mut request).unwrap();
    assert_eq!(
        (request.uri(), &request.headers()[HOST]),
        (&Uri::from_static("/a?b"), &"web.shop:8080".parse().unwrap())
    );
    let mut plain = Request::get("/a?b").header(HOST, "web").version(Version::HTTP_10).body(()).unwrap();
    assert_eq!((as_matched(&plain).authority, as_matched(&plain).path), ("web", "/a"));
    fit(&mut plain).unwrap();
    assert_eq!(
        (plain.uri(), plain.version(), &plain.headers()[HOST]),
        (&"/a?b".parse().unwrap(), Version::HTTP_11, &"web".parse().unwrap())
    );
}

#[test]
fn http2_gets_an_authority() {
    let mut request = Request::get("/a").version(Version::HTTP_2).header(HOST, "web").body(()).unwrap();
    fit(&mut request).unwrap();
    assert_eq!(request.uri(), &Uri::from_static("http://web/a"));
    let mut nobody = Request::get("/a").version(Version::HTTP_2).body(()).unwrap();
    assert!(fit(&mut nobody).is_err());
}

#[test]
fn own_answers_speak_grpc_where_they_must() {
    let plain = own_head(false, StatusCode::FORBIDDEN, DENY, "port").body(()).unwrap();
    assert_eq!((plain.status(), &plain.headers()[DENY]), (StatusCode::FORBIDDEN, &"port".parse().unwrap()));
    let grpc = own_head(true, StatusCode::SERVICE_UNAVAILABLE, ERROR, "no-endpoints").body(()).unwrap();
    assert_eq!((grpc.status(), &grpc.headers()["grpc-status"]), (StatusCode::OK, &"14".parse().unwrap()));
    for code in DenyCode::ALL {
        assert!(remedy(code).contains(code.as_str()), "{code}");
    }
}

#[test]
fn a_length_beside_chunks_is_taken_away() {
    let mut both = headers(&[("transfer-encoding", "chunked"), ("content-length", "3")]);
    strip(&mut both, None);
    assert!(both.is_empty());
}

#[test]
fn http_cannot_be_upgraded_to_among_others() {
    for protocols in ["h2c, websocket", "websocket,h2c", "HTTP/2.0", "websocket, H2", "http/1.1"] {
        let map = headers(&[("connection", "upgrade"), ("upgrade", protocols)]);
        assert_eq!(upgrade_of(&map), None, "{protocols}");
    }
    let mut two = headers(&[("connection", "upgrade"), ("upgrade", "websocket")]);
    two.append(UPGRADE, HeaderValue::from_static("h2c"));
    assert_eq!(upgrade_of(&two), None);
}

#[test]
fn trailers_frame_route_and_claim_nothing() {
    let mut map = headers(&[
        ("grpc-status", "0"),
        ("x-sum", "1"),
        ("content-length", "3"),
        ("transfer-encoding", "chunked"),
        ("host", "a"),
        ("authorization", "b"),
        ("connection", "x-sum"),
        ("x-isthmus-client-id", "c"),
        ("x_isthmus_client_id", "c"),
    ]);
    strip_trailers(&mut map);
    assert_eq!(map, headers(&[("grpc-status", "0"), ("x-sum", "1")]));
}

#[test]
fn answers_that_could_be_read_in_two_ways_are_unsound() {
    let answer = |status: u16, fields: &[(&'static str, &'static str)]| {
        let mut answer = http::Response::builder().status(status).body(()).unwrap();
        for (name, value) in fields {
            answer.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        answer
    };
    for fields in [
        &[("content-length", "1"), ("content-length", "2")][..],
        &[("content-length", "1, 2")],
        &[("content-length", "+1")],
        &[("content-length", "")],
        &[("transfer-encoding", "gzip, chunked")],
        &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
    ] {
        assert!(!is_sound_answer(&mut answer(200, fields), false), "{fields:?}");
    }
    for fields in [&[("content-length", "1"), ("content-length", "1")][..], &[("content-length", "1, 1")]] {
        let mut answer = answer(200, fields);
        assert!(is_sound_answer(&mut answer, false));
        assert_eq!(answer.headers().get_all(CONTENT_LENGTH).iter().collect::<Vec<_>>(), ["1"], "{fields:?}");
    }
    assert!(is_sound_answer(&mut answer(200, &[("transfer-encoding", "Chunked")]), false));
    assert!(!is_sound_answer(&mut answer(101, &[]), false));
    assert!(is_sound_answer(&mut answer(101, &[]), true));
}
