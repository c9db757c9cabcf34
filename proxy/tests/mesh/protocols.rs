//! Protocols end to end: app, sidecar, mTLS, sidecar, app.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use isthmus_core::destination::{Destination, ProtocolHint};

use crate::support::{
    app,
    client::{self, Talk, field},
    control::Script,
    eventually,
    mesh::{Pod, allow, id, service},
    soon,
};

pub const VIP: (&str, u16) = ("10.43.7.7", 80);

/// A caller and a callee whose Service is the n-th port of these.
pub struct Pair {
    pub script: Script,
    pub caller: Pod,
    pub callee: Pod,
}

impl Pair {
    pub async fn start(port: u16) -> Self {
        let script = Script::start().await;
        script.set_policy("callee", allow(&[&id("caller")]));
        script.set_policy("caller", allow(&[]));
        let ports = [port];
        let (caller, callee) =
            tokio::join!(Pod::start(&script, "caller", &[], &[VIP]), Pod::start(&script, "callee", &ports, &[]),);
        script.set_destination(VIP.0, VIP.1, service(&[callee.endpoint(port)], None));
        script.set_destination("web.shop", 80, service(&[callee.endpoint(port)], None));
        Self { script, caller, callee }
    }

    pub async fn http() -> Self {
        let pair = Self::start(8080).await;
        app::http((pair.callee.app, 8080).into(), "app").await;
        pair
    }
}

#[tokio::test]
async fn http2_end_to_end_with_trailers() {
    let pair = Pair::http().await;
    let mut sender = client::http2(pair.caller.call(0)).await.unwrap();
    let sent = HeaderMap::from_iter([("x-sent".parse().unwrap(), HeaderValue::from_static("yes"))]);
    let body = Full::new(Bytes::from(vec![7; 300_000])).with_trailers(std::future::ready(Some(Ok(sent))));
    let request = Request::post("http://web/echo").header("te", "trailers").body(body).unwrap();
    let response = soon("an answer", sender.send_request(request)).await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, http::Version::HTTP_2));
    let body = response.into_body().collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap();
    assert_eq!((&trailers["x-checksum"], &trailers["x-sent"]), (&"42".parse().unwrap(), &"yes".parse().unwrap()));
    assert_eq!(body.to_bytes().len(), 300_000);
}

#[tokio::test]
async fn many_http2_requests_share_connections() {
    let pair = Pair::http().await;
    let sender = client::http2::<Full<Bytes>>(pair.caller.call(0)).await.unwrap();
    let requests = (0..200).map(|_| {
        let mut sender = sender.clone();
        async move {
            let request = Request::get("http://web/").body(Full::default()).unwrap();
            client::text(sender.send_request(request).await.unwrap()).await
        }
    });
    let bodies = soon("all answers", futures::future::join_all(requests)).await;
    assert!(bodies.iter().all(|b| b == "app"));
    let handshakes = pair.callee.metric("isthmus_tls_handshakes_total{direction=\"inbound\",outcome=\"ok\"}").await;
    assert!(handshakes <= 8.0, "{handshakes}");
}

#[tokio::test]
async fn http1_bodies_trailers_and_kept_connections() {
    let pair = Pair::http().await;
    let mut sender = client::http1(pair.caller.call(0)).await.unwrap();
    for size in [0, 10, 500_000] {
        sender.ready().await.unwrap();
        let request = Request::post("/echo").header("host", "web").header("te", "trailers");
        let response = sender.send_request(request.body(Full::new(vec![1; size].into())).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        let body = soon("the body", response.into_body().collect()).await.unwrap();
        assert_eq!(body.trailers().unwrap()["x-checksum"], "42");
        assert_eq!(body.to_bytes().len(), size);
    }
    let handshakes = pair.callee.metric("isthmus_tls_handshakes_total{direction=\"inbound\",outcome=\"ok\"}").await;
    assert!(handshakes <= 1.0, "the connection between the sidecars is kept: {handshakes}");
}

#[tokio::test]
async fn heads_of_http1_as_they_are() {
    let pair = Pair::http().await;
    let raw = |text: &'static str| {
        let addr = pair.caller.call(0);
        async move {
            let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            let mut answer = String::new();
            soon("the end", stream.read_to_string(&mut answer)).await.unwrap();
            answer
        }
    };
    let old = raw("GET / HTTP/1.0\r\nhost: web\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200") && old.ends_with("app"), "{old}");
    let head = raw("HEAD / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n").await;
    assert!(head.contains("content-length: 3\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let hop = raw(
        "GET /headers HTTP/1.1\r\nhost: web\r\nconnection: close, x-hop\r\nx-hop: 1\r\nkeep-alive: 5\r\nx-end: 2\r\n\r\n",
    )
    .await;
    assert!(hop.contains("x-end: 2") && !hop.contains("x-hop") && !hop.contains("keep-alive: 5"), "{hop}");
    assert!(hop.contains("host: web\n"), "{hop}");
    let expect = raw(
        "POST /echo HTTP/1.1\r\nhost: web\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nhi",
    )
    .await;
    assert!(expect.starts_with("HTTP/1.1 100") && expect.contains("HTTP/1.1 200"), "{expect}");
}

#[tokio::test]
async fn upgrades_pass_through() {
    let pair = Pair::http().await;
    let mut sender = client::http1(pair.caller.call(0)).await.unwrap();
    let mut request = client::request("/upgrade");
    request.headers_mut().insert("connection", HeaderValue::from_static("Upgrade"));
    request.headers_mut().insert("upgrade", HeaderValue::from_static("shout"));
    let mut response = sender.send_request(request).await.unwrap();
    assert_eq!((response.status().as_u16(), field(&response, "upgrade")), (101, "shout".into()));
    let mut io = TokioIo::new(hyper::upgrade::on(&mut response).await.unwrap());
    for (word, shouted) in [(b"hello", b"HELLO"), (b"world", b"WORLD")] {
        io.write_all(word).await.unwrap();
        let mut answer = [0; 5];
        soon("an echo", io.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, shouted);
    }
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard() {
    let pair = Pair::start(3306).await;
    app::greeter((pair.callee.app, 3306).into(), "welcome\n").await;
    for _ in 0..2 {
        let mut talk = Talk::open(pair.caller.call(0)).await;
        assert_eq!(talk.line().await, "welcome");
        assert_eq!(talk.ask("hello").await, "hello");
    }
}

#[tokio::test]
async fn a_client_that_waits_for_a_server_it_may_not_call_is_cut_off() {
    let pair = Pair::start(3306).await;
    app::greeter((pair.callee.app, 3306).into(), "welcome\n").await;
    pair.script.set_policy("callee", allow(&[]));
    pair.script.acknowledged("callee", &isthmus_api::encode::inbound_key()).await;
    assert!(Talk::open(pair.caller.call(0)).await.cut_by_reset().await);
    // In plaintext, past the caller's sidecar, too.
    assert!(Talk::open((pair.callee.ip, 3306).into()).await.cut_by_reset().await);
}

#[tokio::test]
async fn a_service_is_called_by_its_name_and_port() {
    let pair = Pair::start(7000).await;
    let (heard, mut hello) = tokio::sync::mpsc::unbounded_channel();
    let mut endpoint = pair.callee.endpoint(7001);
    endpoint.addr.set_ip(pair.callee.app);
    app::tcp(endpoint.addr, move |mut stream| {
        let heard = heard.clone();
        async move {
            let mut bytes = vec![0; 4096];
            let read = stream.read(&mut bytes).await.unwrap();
            let _ = heard.send(String::from_utf8_lossy(&bytes[..read]).into_owned());
        }
    })
    .await;
    pair.script.set_destination(VIP.0, VIP.1, service(&[endpoint], None));
    let _client = client::http1(pair.caller.call(0)).await.unwrap();
    let hello = soon("a ClientHello", hello.recv()).await.unwrap();
    assert!(hello.contains("p80.web.shop.svc.isthmus.mesh"), "{hello}");
}

#[tokio::test]
async fn either_side_may_end_first() {
    let pair = Pair::start(7000).await;
    app::measure((pair.callee.app, 7000).into()).await;
    let mut talk = Talk::open(pair.caller.call(0)).await;
    talk.say(&"x".repeat(99_999)).await;
    assert_eq!(talk.finish().await, "100000 bytes");
}

#[tokio::test]
async fn a_client_that_waits_before_it_speaks_http_is_served() {
    let pair = Pair::http().await;
    // HTTP only: an opaque connection to the callee would be refused.
    let routes = isthmus_core::inbound::HttpScope::Only(vec![crate::support::mesh::path("/")]);
    let policy = crate::support::mesh::granting(&[&id("caller")], isthmus_core::inbound::PortSet::All, routes);
    pair.script.set_policy("callee", policy);
    pair.script.acknowledged("callee", &isthmus_api::encode::inbound_key()).await;
    let mut sender = client::http1(pair.caller.call(0)).await.unwrap();
    let denied = "isthmus_denied_total{code=\"route\",protocol=\"tcp\"}";
    eventually("the sidecar has tried TCP", async || pair.callee.metric(denied).await >= 1.0).await;
    let response = soon("an answer", sender.send_request(client::request("/"))).await.unwrap();
    assert_eq!(client::text(response).await, "app");
}

#[tokio::test]
async fn the_applications_own_tls_passes_through() {
    let pair = Pair::start(8443).await;
    let app_tls = pair.script.tls("spiffe://isthmus.local/ns/shop/sa/app");
    let config = app_tls.server_config(&[b"http/1.1"], isthmus_identity::ClientCerts::Optional).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(config);
    app::tcp((pair.callee.app, 8443).into(), move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            stream.write_all(b"inside\n").await.unwrap();
        }
    })
    .await;
    let config = app_tls
        .client_config(
            &[b"http/1.1"],
            "spiffe://isthmus.local/ns/shop/sa/app".parse::<isthmus_core::id::SpiffeId>().unwrap(),
        )
        .unwrap();
    let stream = tokio::net::TcpStream::connect(pair.caller.call(0)).await.unwrap();
    let tls = tokio_rustls::TlsConnector::from(config).connect("app.shop".try_into().unwrap(), stream);
    assert_eq!(Talk::over(soon("the handshake", tls).await.unwrap()).line().await, "inside");
}

#[tokio::test]
async fn the_outbound_port_is_an_http_proxy() {
    let pair = Pair::http().await;
    let explicit = pair.caller.explicit();
    let request = Request::get("http://web.shop/headers").body(Full::default()).unwrap();
    let response = client::send(explicit, request).await.unwrap();
    assert!(client::text(response).await.contains("host: web.shop\n"));
    let nowhere = client::send(explicit, client::request("/")).await.unwrap();
    assert_eq!((nowhere.status().as_u16(), field(&nowhere, "x-isthmus-error")), (400, "bad-request".into()));
    let mut sender = client::http1(explicit).await.unwrap();
    let request = Request::connect("web.shop:80").body(Full::default()).unwrap();
    let mut response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let tunnel = hyper::upgrade::on(&mut response).await.unwrap();
    let (mut inner, connection) = hyper::client::conn::http1::handshake(tunnel).await.unwrap();
    tokio::spawn(connection);
    // The tunnel is opaque TCP to the callee, which then can't tell HTTP in it: the TCP grant holds.
    let response: http::Response<hyper::body::Incoming> =
        soon("an answer", inner.send_request(client::request("/"))).await.unwrap();
    assert_eq!(client::text(response).await, "app");
}

#[tokio::test]
async fn endpoints_that_cannot_be_connected_to_are_passed_over() {
    let pair = Pair::http().await;
    let mut dead = pair.callee.endpoint(8080);
    dead.addr = (pair.callee.ip, 1).into();
    pair.script.set_destination(VIP.0, VIP.1, service(&[dead.clone(), pair.callee.endpoint(8080)], None));
    let bodies = client::many(pair.caller.call(0), "/", 20).await;
    assert_eq!(client::count(&bodies, "200 app"), 20, "{bodies:?}");
    pair.script.set_destination(VIP.0, VIP.1, service(&[dead], None));
    eventually("only the dead one is left", async || {
        let response = client::get(pair.caller.call(0), "/").await.unwrap();
        (response.status().as_u16(), field(&response, "x-isthmus-error")) == (503, "connect-failed".into())
    })
    .await;
}

#[tokio::test]
async fn endpoints_outside_the_mesh_are_called_in_plaintext() {
    let pair = Pair::http().await;
    let plain = isthmus_core::destination::Endpoint::local((pair.callee.app, 8080).into(), None, "shop/plain");
    pair.script.set_destination(VIP.0, VIP.1, Destination::Workload(plain));
    let response = client::get(pair.caller.call(0), "/headers").await.unwrap();
    assert!(!client::text(response).await.contains("x-isthmus-client-id"));
}

#[tokio::test]
async fn a_pod_calling_its_own_service_is_a_client_like_others() {
    let script = Script::start().await;
    script.set_policy("self", allow(&[&id("self")]));
    let pod = Pod::launch(
        &script,
        crate::support::mesh::Spec {
            name: "self",
            ports: &[],
            calls: &[VIP],
            edit: |config| config.pod_ips = vec!["127.0.0.9".parse().unwrap()],
        },
    );
    pod.ready().await;
    app::http("127.0.0.9:18081".parse().unwrap(), "me").await;
    let mut endpoint = pod.endpoint(18081);
    endpoint.addr = "127.0.0.9:18081".parse().unwrap();
    script.set_destination(VIP.0, VIP.1, service(&[endpoint], None));
    let response = client::get(pod.call(0), "/headers").await.unwrap();
    assert!(client::text(response).await.contains("x-isthmus-client-id: spiffe://isthmus.local/ns/shop/sa/self"));
}

#[tokio::test]
async fn a_request_that_leads_back_into_the_proxy_is_refused() {
    let pair = Pair::http().await;
    let request = Request::get(format!("http://{}/", pair.caller.explicit())).body(Full::default()).unwrap();
    let response = client::send(pair.caller.explicit(), request).await.unwrap();
    assert_eq!((response.status().as_u16(), field(&response, "x-isthmus-error")), (508, "loop".into()));
}

#[tokio::test]
async fn a_hint_spares_looking() {
    let pair = Pair::http().await;
    let hinted = |protocol| {
        let Destination::Service(mut route) = service(&[pair.callee.endpoint(8080)], None) else { unreachable!() };
        route.protocol = protocol;
        Destination::Service(route)
    };
    let tcp = "isthmus_outbound_tcp_connections_total{backend=\"shop/web\",service=\"shop/web\",split=\"\"}";
    for (hint, connections) in [(ProtocolHint::Http1, 0.0), (ProtocolHint::Opaque, 1.0)] {
        pair.script.set_destination(VIP.0, VIP.1, hinted(hint));
        drop(client::get(pair.caller.call(0), "/").await);
        let key = isthmus_core::destination::DestinationKey { host: VIP.0.into(), port: VIP.1 };
        pair.script.acknowledged("caller", &isthmus_api::encode::destination_key(&key)).await;
        let before = pair.caller.counted(tcp).await;
        assert_eq!(client::text(client::get(pair.caller.call(0), "/").await.unwrap()).await, "app");
        assert_eq!(pair.caller.counted(tcp).await - before, connections, "{hint:?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_a_gateway_timeout() {
    let pair = Pair::http().await;
    app::tcp((pair.callee.app, 7777).into(), |stream| async move {
        let _held = stream;
        std::future::pending().await
    })
    .await;
    let mut dumb = pair.callee.endpoint(7777);
    dumb.addr = (pair.callee.app, 7777).into();
    pair.script.set_destination(VIP.0, VIP.1, service(&[dumb], None));
    let response = client::get(pair.caller.call(0), "/").await.unwrap();
    assert_eq!((response.status().as_u16(), field(&response, "x-isthmus-error")), (504, "connect-timeout".into()));
}

#[tokio::test]
async fn a_request_that_the_endpoint_cut_short_is_a_bad_gateway_and_is_not_repeated() {
    let pair = Pair::start(8080).await;
    let seen = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&seen);
    app::tcp((pair.callee.app, 8080).into(), move |mut stream| {
        let count = Arc::clone(&count);
        async move {
            let mut head = [0; 1024];
            let read = stream.read(&mut head).await;
            if read.is_ok_and(|n| n > 0) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    })
    .await;
    let response = client::get(pair.caller.call(0), "/").await.unwrap();
    assert_eq!((response.status().as_u16(), field(&response, "x-isthmus-error")), (502, "upstream-closed".into()));
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_pooled_connection_that_the_endpoint_has_closed_costs_no_request() {
    let pair = Pair::start(8080).await;
    let closed = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&closed);
    // Answers one request on each connection, promises to keep it, and closes it.
    app::tcp((pair.callee.app, 8080).into(), move |mut stream| {
        let count = Arc::clone(&count);
        async move {
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            let _ = stream.shutdown().await;
            // The sidecar's own close says that it has seen this one.
            let _ = stream.read(&mut head).await;
            count.fetch_add(1, Ordering::Relaxed);
        }
    })
    .await;
    for n in 1..30 {
        assert_eq!(client::many(pair.caller.call(0), "/", 1).await, ["200 ok"]);
        eventually("the close is seen", async || closed.load(Ordering::Relaxed) == n).await;
    }
}

#[tokio::test]
async fn http2_streams_both_ways_at_once_and_a_vanished_client_ends_them() {
    let pair = Pair::http().await;
    type Frames = tokio_stream::wrappers::ReceiverStream<Result<http_body::Frame<Bytes>, std::convert::Infallible>>;
    let stream = std::net::TcpStream::connect(pair.caller.call(0)).unwrap();
    stream.set_nonblocking(true).unwrap();
    let socket = stream.try_clone().unwrap();
    let stream = TokioIo::new(tokio::net::TcpStream::from_std(stream).unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let (send, frames) = tokio::sync::mpsc::channel(1);
    let request = Request::post("http://web/stream").body(StreamBody::new(Frames::new(frames))).unwrap();
    let response = soon("a head", sender.send_request(request)).await.unwrap();
    let mut body = response.into_body();
    for n in 0..5_u8 {
        send.send(Ok(http_body::Frame::data(vec![n; 1000].into()))).await.unwrap();
        let mut heard = 0;
        while heard < 1000 {
            heard += soon("an echo", body.frame()).await.unwrap().unwrap().into_data().unwrap().len();
        }
    }
    // The client vanishes: both sidecars let go of the request, though its body has not ended.
    socket.shutdown(std::net::Shutdown::Both).unwrap();
    let counted = format!("isthmus_inbound_requests_total{{class=\"2xx\",client=\"{}\"}}", id("caller"));
    let outbound =
        "isthmus_outbound_requests_total{backend=\"shop/web\",class=\"2xx\",service=\"shop/web\",split=\"\"}";
    eventually("the caller's side is over", async || pair.caller.counted(outbound).await == 1.0).await;
    eventually("the callee's side is over", async || pair.callee.counted(&counted).await == 1.0).await;
}

#[tokio::test]
async fn bodies_of_unknown_codings_are_refused() {
    let pair = Pair::http().await;
    let mut talk = Talk::open(pair.caller.call(0)).await;
    talk.say("POST /echo HTTP/1.1\r\nhost: web\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r").await;
    assert!(talk.line().await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn no_bytes_of_a_stranger_cost_others_their_service() {
    let pair = Pair::http().await;
    let hello = {
        let tls = pair.script.tls(id("caller").as_str());
        let config = tls.client_config(&[b"isthmus-h2"], pair.callee.id.clone()).unwrap();
        let mut client = rustls::ClientConnection::new(config, "a.b".try_into().unwrap()).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    };
    let shapes: Vec<Vec<u8>> = vec![
        hello.clone(),
        hello[..hello.len() / 2].to_vec(),
        [&hello[..], &[0; 4000]].concat(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[0xff; 2000]].concat(),
        b"GET / HTTP/1.1\r\n".repeat(2000),
        [&b"GET /"[..], &[b'a'; 100_000], b" HTTP/1.1\r\n\r\n"].concat(),
        [&b"GET / HTTP/1.1\r\n"[..], &b"a: b\r\n".repeat(500), b"\r\n"].concat(),
        b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".to_vec(),
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n".to_vec(),
        vec![0; 20_000],
        vec![22; 20_000],
    ];
    let doors = [pair.caller.call(0), pair.caller.explicit(), (pair.callee.ip, 8080).into()];
    for shape in &shapes {
        for door in doors {
            let mut stream = tokio::net::TcpStream::connect(door).await.unwrap();
            let _ = stream.write_all(shape).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let _ = soon("the end", stream.read_to_end(&mut answer)).await;
        }
        assert_eq!(
            client::many(pair.caller.call(0), "/", 1).await,
            ["200 app"],
            "{}",
            shape[..16.min(shape.len())].escape_ascii()
        );
    }
    for pod in [&pair.caller, &pair.callee] {
        assert!(!pod.running.is_finished());
    }
}
