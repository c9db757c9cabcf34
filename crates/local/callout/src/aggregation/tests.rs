use std::sync::{Arc, Mutex};

use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::Limits;
use crate::testing::{Authority, HOST, Handler, Server, body, callout, fixed, nowhere, soon};
use serde_json::json;

fn api_service(more: Value) -> Value {
    let mut spec =
        json!({"group": "metrics.example.com", "version": "v1", "service": {"namespace": "default", "name": "hook"}});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    json!({"metadata": {"name": "v1.metrics.example.com"}, "spec": spec})
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(body("")).unwrap()
}

fn alice() -> User {
    User {
        name: "alice".to_owned(),
        groups: vec!["devs".to_owned(), "system:authenticated".to_owned()],
        extra: [("Example.com/Scope%".to_owned(), vec!["one".to_owned(), "two".to_owned()])].into(),
        ..User::default()
    }
}

/// Answers 200 and keeps the heads of the requests.
fn recorder() -> (Handler, Arc<Mutex<Vec<http::request::Parts>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = heads.clone();
    let handler: Handler = Arc::new(move |request| {
        kept.lock().unwrap().push(request.into_parts().0);
        Box::pin(async {
            Response::builder().header("connection", "close").header("x-own", "1").body(body("hello")).unwrap()
        })
    });
    (handler, heads)
}

#[tokio::test]
async fn a_request_is_passed_on_in_the_users_name_and_no_other() {
    let (authority, proxies) = (Authority::new(), Authority::new());
    let (handler, heads) = recorder();
    let server = Server::start(&authority.leaf(HOST), Some(&proxies), handler).await;
    let client = callout(&[(HOST, server.addr)], Limits::default());
    let mut request = get("/apis/metrics.example.com/v1/pods?watch=1&a=%2F");
    for (name, value) in [
        ("authorization", "Bearer secret"),
        ("x-remote-user", "root"),
        ("x-remote-group", "system:masters"),
        ("x-remote-extra-scopes", "all"),
        ("x-remote-uid", "0"),
        ("impersonate-user", "root"),
        ("connection", "keep-alive, x-hop"),
        ("keep-alive", "5"),
        ("x-hop", "1"),
        ("te", "trailers"),
        ("accept", "application/json"),
    ] {
        request.headers_mut().append(name, HeaderValue::from_static(value));
    }
    let bundle = json!({"caBundle": authority.bundle()});
    let identity = proxies.identity("front-proxy");
    let response = soon(client.aggregate(&api_service(bundle), &identity, &alice(), request)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["x-own"], "1");
    assert!(!response.headers().contains_key("connection"));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");

    let head = heads.lock().unwrap().remove(0);
    assert_eq!(head.uri, "/apis/metrics.example.com/v1/pods?watch=1&a=%2F");
    let mut seen: Vec<_> =
        head.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    seen.sort();
    assert_eq!(
        seen,
        [
            "accept: application/json",
            "host: hook.default.svc:443",
            "x-remote-extra-example.com%2fscope%25: one",
            "x-remote-extra-example.com%2fscope%25: two",
            "x-remote-group: devs",
            "x-remote-group: system:authenticated",
            "x-remote-user: alice",
        ]
    );
}

#[tokio::test]
async fn an_unreachable_or_untrusted_backend_is_a_503() {
    let authority = Authority::new();
    let server = Server::start(&Authority::new().leaf(HOST), None, fixed(200, "")).await;
    let identity = authority.identity("front-proxy");
    let trusting = api_service(json!({"caBundle": authority.bundle()}));
    for (service, services, text) in [
        (&trusting, vec![(HOST, server.addr)], "tls: failed to verify certificate"),
        (&trusting, vec![(HOST, nowhere().await)], "dial tcp"),
        (&trusting, vec![], "no endpoints available for service \"hook\""),
        (&api_service(json!({})), vec![(HOST, server.addr)], "no caBundle is given"),
    ] {
        let client = callout(&services, Limits::default());
        let error = soon(client.aggregate(service, &identity, &alice(), get("/"))).await.unwrap_err();
        assert_eq!((error.code, error.reason), (503, "ServiceUnavailable"));
        assert!(
            error.message.starts_with("error trying to reach service: ") && error.message.contains(text),
            "{error}"
        );
    }
    let client = callout(&[(HOST, server.addr)], Limits::default());
    let skipping = api_service(json!({"insecureSkipTLSVerify": true}));
    assert_eq!(
        soon(client.aggregate(&skipping, &identity, &alice(), get("/"))).await.unwrap().status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_probe_tells_whether_the_backend_answers() {
    let authority = Authority::new();
    let identity = authority.identity("front-proxy");
    let (handler, heads) = recorder();
    let good = Server::start(&authority.leaf(HOST), Some(&authority), handler).await;
    let bad = Server::start(&authority.leaf(HOST), None, fixed(403, "")).await;
    let service = api_service(json!({"caBundle": authority.bundle()}));

    let found = soon(callout(&[(HOST, good.addr)], Limits::default()).probe(&service, &identity)).await;
    assert_eq!((found.available, found.reason), (true, "Passed"));
    let head = heads.lock().unwrap().remove(0);
    assert_eq!(head.uri, "/apis/metrics.example.com/v1");
    assert_eq!(head.headers["x-remote-user"], "system:kube-aggregator");

    let found = soon(callout(&[(HOST, bad.addr)], Limits::default()).probe(&service, &identity)).await;
    assert_eq!((found.available, found.reason), (false, "FailedDiscoveryCheck"));
    assert_eq!(
        found.message,
        "failing or missing response from https://hook.default.svc:443/apis/metrics.example.com/v1: bad status: 403"
    );
    let found = callout(&[], Limits::default()).probe(&service, &identity).await;
    assert_eq!((found.available, found.reason), (false, "ServiceNotFound"));
    let found = callout(&[], Limits::default()).probe(&json!({"spec": {"service": null}}), &identity).await;
    assert_eq!((found.available, found.reason), (true, "Local"));
}

#[tokio::test(start_paused = true)]
async fn a_probe_of_a_hanging_backend_ends() {
    let authority = Authority::new();
    let server = Server::start(&authority.leaf(HOST), None, Arc::new(|_| Box::pin(std::future::pending()))).await;
    let service = api_service(json!({"caBundle": authority.bundle()}));
    let client = callout(&[(HOST, server.addr)], Limits::default());
    let found = client.probe(&service, &authority.identity("front-proxy")).await;
    assert!(found.message.ends_with("context deadline exceeded"), "{}", found.message);
}

/// The API server's part is played by a server that passes all on; what it gets and gives must stream.
#[tokio::test]
async fn an_upgrade_passes_bytes_both_ways() {
    let authority = Authority::new();
    let backend: Handler = Arc::new(|mut request| {
        Box::pin(async move {
            assert_eq!(request.headers()["connection"], "Upgrade");
            let protocol = request.headers()["upgrade"].clone();
            tokio::spawn(async move {
                let mut stream = hyper_util::rt::TokioIo::new(hyper::upgrade::on(&mut request).await.unwrap());
                let mut bytes = [0; 4];
                while stream.read_exact(&mut bytes).await.is_ok() {
                    bytes.reverse();
                    stream.write_all(&bytes).await.unwrap();
                    stream.flush().await.unwrap();
                }
                // Ends without TLS's goodbye, as many do: nothing that was sent may get lost by it.
                stream.write_all(&[7; 100_000]).await.unwrap();
                stream.flush().await.unwrap();
            });
            let answer = Response::builder().status(101).header("connection", "Upgrade").header("upgrade", protocol);
            answer.body(body("")).unwrap()
        })
    });
    let backend = Server::start(&authority.leaf(HOST), Some(&authority), backend).await;
    let client = callout(&[(HOST, backend.addr)], Limits::default());
    let service = api_service(json!({"caBundle": authority.bundle()}));
    let identity = authority.identity("front-proxy");
    let front: Handler = Arc::new(move |request| {
        let (client, service, identity) = (client.clone(), service.clone(), identity.clone());
        Box::pin(async move { client.aggregate(&service, &identity, &alice(), request).await.unwrap() })
    });
    let front_name = "front.default.svc";
    let front = Server::start(&authority.leaf(front_name), None, front).await;

    let user = callout(&[], Limits::default());
    let config = crate::tls::client_config(&Trust::Bundle(authority.pem.as_bytes()), None).unwrap();
    let mut sender = user.connect(front.addr, front_name, config).await.unwrap();
    let mut request = get("/exec");
    request.headers_mut().insert("connection", HeaderValue::from_static("Upgrade"));
    request.headers_mut().insert("upgrade", HeaderValue::from_static("SPDY/3.1"));
    request.headers_mut().insert("host", HeaderValue::from_static(front_name));
    let mut response = soon(sender.send_request(request)).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()["upgrade"], "SPDY/3.1");
    let mut stream = hyper_util::rt::TokioIo::new(soon(hyper::upgrade::on(&mut response)).await.unwrap());
    for word in [b"abcd", b"1234"] {
        stream.write_all(word).await.unwrap();
        stream.flush().await.unwrap();
        let mut answer = [0; 4];
        soon(stream.read_exact(&mut answer)).await.unwrap();
        answer.reverse();
        assert_eq!(&answer, word);
    }
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    soon(stream.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, vec![7; 100_000]);
}
