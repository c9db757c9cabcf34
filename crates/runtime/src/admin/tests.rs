use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use http::StatusCode;

use super::*;

fn request(addr: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn get(addr: SocketAddr, path: &str) -> String {
    request(addr, &format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
}

fn start(admin: Admin) -> Running {
    admin.start("127.0.0.1:0".parse().unwrap()).unwrap()
}

#[test]
fn readiness_says_what_is_awaited() {
    let ready = Ready::new();
    let guard = ready.register("identity");
    let server = start(Admin::new(ready.clone(), Registry::new(), None));
    let answer = get(server.addr(), "/ready");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("waiting for: identity\n"), "{answer}");
    assert!(get(server.addr(), "/live").starts_with("HTTP/1.1 200"));
    drop(guard);
    assert!(get(server.addr(), "/ready").starts_with("HTTP/1.1 200"));
}

#[test]
fn metrics_are_of_the_own_registry() {
    let registry = Registry::new();
    crate::build::register(&registry, "proxy").unwrap();
    let server = start(Admin::new(Ready::new(), registry, None));
    let answer = get(server.addr(), "/metrics");
    assert!(answer.contains("isthmus_build_info{role=\"proxy\",version=\""), "{answer}");
}

#[test]
fn a_role_adds_paths_and_unknown_ones_are_listed() {
    let admin = Admin::default().route("/config", |_| json(StatusCode::OK, "{}"));
    let server = start(admin);
    assert!(get(server.addr(), "/config").ends_with("{}"));
    let answer = get(server.addr(), "/nothing");
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("/config"), "{answer}");
    assert!(!answer.contains("/log-level"));
}

#[test]
fn a_body_without_end_is_refused() {
    let server = start(Admin::default());
    let long = "x".repeat(MAX_BODY + 1);
    let head = format!("PUT /live HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", long.len());
    assert!(request(server.addr(), &(head + &long)).starts_with("HTTP/1.1 413"));
}

#[test]
fn it_stops_when_dropped() {
    let server = start(Admin::default());
    let addr = server.addr();
    drop(server);
    assert!(TcpStream::connect(addr).is_err());
}

#[test]
fn a_taken_port_is_an_error_that_names_it() {
    let server = start(Admin::default());
    let error = Admin::default().start(server.addr()).unwrap_err();
    assert!(error.to_string().contains(&server.addr().port().to_string()), "{error}");
}

#[test]
fn the_log_level_is_read_by_anybody_and_set_from_loopback_only() {
    let (_layer, handle) = tracing_subscriber::reload::Layer::new(tracing_subscriber::EnvFilter::new("info"));
    let admin = Admin::new(Ready::new(), Registry::new(), Some(logging::Handle(handle)));
    let ask = |peer: &str, method: &str, body: &'static str| {
        let request = Request::builder().method(method).uri("/log-level").body(Bytes::from_static(body.as_bytes()));
        serve::route(&admin, peer.parse().unwrap(), &request.unwrap()).status()
    };
    assert_eq!(ask("10.42.0.9:1", "GET", ""), StatusCode::OK);
    assert_eq!(ask("10.42.0.9:1", "PUT", "trace"), StatusCode::FORBIDDEN);
    assert_eq!(ask("127.0.0.1:1", "PUT", "isthmus=loud"), StatusCode::BAD_REQUEST);
    assert_eq!(ask("[::ffff:127.0.0.1]:1", "PUT", "debug\n"), StatusCode::OK);
    assert_eq!(admin.logging.as_ref().unwrap().filter().unwrap(), "debug");
    assert_eq!(ask("127.0.0.1:1", "DELETE", ""), StatusCode::METHOD_NOT_ALLOWED);
}
