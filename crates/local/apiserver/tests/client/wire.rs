//! What the server makes of requests that no well-behaved client sends.

use std::time::Duration;

use http::{Request, Response};
use isthmus_local_apiserver::Limits;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use crate::server::Server;
use crate::{admin, client};

async fn send(client: &Client, request: http::request::Builder, body: impl Into<Vec<u8>>) -> (u16, Value) {
    let reply: Response<Body> = client.send(request.body(Body::from(body.into())).unwrap()).await.unwrap();
    let code = reply.status().as_u16();
    let body = http_body_util::BodyExt::collect(reply.into_body()).await.unwrap().to_bytes();
    (code, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn anonymous(server: &Server) -> Client {
    let url = &server.url;
    let config = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{name: c, cluster: {{server: '{url}', insecure-skip-tls-verify: true}}}}]\nusers: [{{name: u, user: {{}}}}]\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n"
    );
    client(&config).await
}

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn strangers_see_the_version_and_nothing_else() {
    let server = Server::start().await;
    let stranger = anonymous(&server).await;
    for path in ["/version", "/healthz", "/readyz", "/livez"] {
        assert_eq!(send(&stranger, Request::get(path), "").await.0, 200, "{path}");
    }
    for path in ["/api", "/apis", "/openapi/v3", "/metrics", CONFIG_MAPS] {
        let (code, status) = send(&stranger, Request::get(path), "").await;
        assert_eq!((code, &status["reason"]), (401, &json!("Unauthorized")), "{path}");
    }
    let bearer = Request::get(CONFIG_MAPS).header("authorization", "Bearer junk");
    assert_eq!(send(&stranger, bearer, "").await.0, 401);
}

#[tokio::test]
async fn what_is_malformed_gets_a_status_with_the_right_code() {
    let server = Server::start().await;
    let client = admin(&server).await;
    let post = || Request::post(CONFIG_MAPS).header("content-type", "application/json");
    for (request, body, wanted) in [
        (post(), "{", 400),
        (post(), "[]", 400),
        (post(), r#"{"kind":"Secret","apiVersion":"v1"}"#, 400),
        (post(), r#"{"metadata":{"name":"a","namespace":"other"}}"#, 400),
        (post(), r#"{"metadata":{"name":"Not A Name"}}"#, 422),
        (post(), r#"{"metadata":{"name":"a"},"data":{"x":1}}"#, 400),
        (Request::post(CONFIG_MAPS).header("content-type", "text/plain"), "x", 415),
        (Request::get(CONFIG_MAPS).header("accept", "application/vnd.kubernetes.protobuf"), "", 406),
        (Request::patch(format!("{CONFIG_MAPS}/a")).header("content-type", "application/json"), "{}", 415),
        (Request::put(CONFIG_MAPS), "{}", 405),
        (Request::get(format!("{CONFIG_MAPS}/none")), "", 404),
        (Request::get("/api/v1/nothings"), "", 404),
        (Request::get("/apis/none/v1/things"), "", 404),
        (Request::get("/nowhere"), "", 404),
        (Request::get(format!("{CONFIG_MAPS}?labelSelector=a%20b%20c")), "", 400),
        (Request::get(format!("{CONFIG_MAPS}?limit=many")), "", 400),
        (Request::get(format!("{CONFIG_MAPS}?watch=1&sendInitialEvents=true")), "", 422),
    ] {
        let shown = format!("{request:?} {body}");
        let (code, status) = send(&client, request, body).await;
        assert_eq!(
            (code, &status["kind"], &status["status"]),
            (wanted, &json!("Status"), &json!("Failure")),
            "{shown}"
        );
        assert_eq!(status["code"], wanted, "{shown}");
    }
}

#[tokio::test]
async fn yaml_is_taken_and_large_bodies_are_not() {
    let limits = Limits { body_bytes: 10_000, ..Limits::default() };
    let server = Server::with(limits).await;
    let client = admin(&server).await;
    let yaml = Request::post(CONFIG_MAPS).header("content-type", "application/yaml");
    let (code, made) = send(&client, yaml, "metadata:\n  name: a\ndata: {x: 'y'}\n").await;
    assert_eq!((code, &made["data"]["x"]), (201, &json!("y")));
    let large = json!({ "metadata": { "name": "b" }, "data": { "x": "y".repeat(20_000) } }).to_string();
    let post = Request::post(CONFIG_MAPS).header("content-type", "application/json");
    assert_eq!(send(&client, post, large).await.0, 413);
}

#[tokio::test]
async fn discovery_is_not_sent_twice() {
    let server = Server::start().await;
    let client = admin(&server).await;
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let get = || Request::get("/apis").header("accept", accept);
    let reply = client.send(get().body(Body::empty()).unwrap()).await.unwrap();
    assert!(reply.headers()["content-type"].to_str().unwrap().contains("as=APIGroupDiscoveryList"));
    let tag = reply.headers()["etag"].clone();
    let reply = client.send(get().header("if-none-match", tag).body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(reply.status(), 304);
}

#[tokio::test]
async fn too_many_watches_and_slow_clients_are_turned_away() {
    let mut limits = Limits { read_time: Duration::from_millis(200), ..Limits::default() };
    // One is the server's own.
    limits.store.watches = 2;
    let server = Server::with(limits).await;
    let client = admin(&server).await;
    let watch = || Request::get(format!("{CONFIG_MAPS}?watch=1")).body(Body::empty()).unwrap();
    let first = client.send(watch()).await.unwrap();
    assert_eq!(first.status(), 200);
    assert_eq!(client.send(watch()).await.unwrap().status(), 429);
    // A connection that says nothing is closed.
    let address = server.url.trim_start_matches("https://");
    let mut silent = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut byte = [0; 1];
    let read = tokio::io::AsyncReadExt::read(&mut silent, &mut byte);
    let read = tokio::time::timeout(Duration::from_secs(20), read).await.expect("the connection stayed open");
    assert!(matches!(read, Ok(0) | Err(_)));
    drop(first);
}

#[tokio::test]
async fn warnings_come_with_refusals_too() {
    let server = Server::start().await;
    let client = admin(&server).await;
    let post = Request::post(CONFIG_MAPS).header("content-type", "application/json");
    let body = json!({ "metadata": { "name": "Not A Name" }, "unheard": 1 }).to_string();
    let reply: Response<Body> = client.send(post.body(Body::from(body.into_bytes())).unwrap()).await.unwrap();
    assert_eq!(reply.status(), 422);
    assert_eq!(reply.headers()["warning"], r#"299 - "unknown field \"unheard\"""#);
}

/// A length-delimited field of protobuf.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

#[tokio::test]
async fn a_secret_may_come_as_protobuf() {
    let server = Server::start().await;
    let client = admin(&server).await;
    let entry = [field(1, b"key"), field(2, b"\x00\xff")].concat();
    let raw = [field(1, &field(1, b"s")), field(2, &entry), field(3, b"helm.sh/release.v1")].concat();
    let type_meta = [field(1, b"v1"), field(2, b"Secret")].concat();
    let body = [b"k8s\0".to_vec(), field(1, &type_meta), field(2, &raw)].concat();
    let post = Request::post("/api/v1/namespaces/default/secrets")
        .header("content-type", "application/vnd.kubernetes.protobuf")
        .header("accept", "application/vnd.kubernetes.protobuf,application/json");
    let (code, made) = send(&client, post, body).await;
    assert_eq!((code, &made["data"], &made["type"]), (201, &json!({ "key": "AP8=" }), &json!("helm.sh/release.v1")));
}
