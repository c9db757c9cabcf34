use std::net::SocketAddr;

use clap::Parser;

use super::*;

#[derive(Parser)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) args: AppArgs,
}

/// Serves a program on loopback until the test ends.
pub(super) async fn start(words: &[&str]) -> SocketAddr {
    let args = Cli::parse_from([&["app"], words].concat()).args;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let drain = Drain::new();
        match args.program {
            Program::Store => store::serve(listener, &drain).await,
            _ => server::serve(listener, &drain, Arc::new(App::new(args, addr.port()))).await,
        }
    });
    addr
}

async fn send(method: &str, url: String, body: &str) -> (u16, String) {
    let request = Request::builder().method(method).uri(url).body(Bytes::from(body.to_owned())).unwrap();
    let response = client::send(request).await.unwrap();
    (response.status().as_u16(), String::from_utf8_lossy(response.body()).into_owned())
}

async fn post(url: String, body: Value) -> Value {
    serde_json::from_str(&send("POST", url, &body.to_string()).await.1).unwrap()
}

async fn metrics(addr: SocketAddr) -> Value {
    serde_json::from_str(&send("GET", format!("http://{addr}/metrics"), "").await.1).unwrap()
}

#[tokio::test]
async fn the_conformance_app_records_what_it_sent_and_got() {
    let a = start(&["echo", "--service-name", "app-a"]).await;
    let b = start(&["echo", "--service-name", "app-b"]).await;
    let call = |path: &str| json!({ "url": format!("http://{b}{path}"), "method": "GET", "body": "", "headers": {} });
    let good = send("POST", format!("http://{a}/call"), &call("/echo").to_string()).await;
    assert!(good.0 == 200 && good.1.starts_with("GET /echo HTTP/1.1\r\n") && good.1.contains("servicename: app-a"));
    assert_eq!(send("POST", format!("http://{a}/call"), &call("/status/404").to_string()).await.0, 200);
    let unreachable = json!({ "url": "http://127.0.0.1:1/x", "method": "GET", "body": "" }).to_string();
    let failed = send("POST", format!("http://{a}/call"), &unreachable).await;
    assert_eq!(failed, (500, "Error completing the request".into()));
    assert_eq!(send("POST", format!("http://{a}/call"), "{").await.0, 400);
    assert_eq!(send("GET", format!("http://{a}/call"), "").await, (200, String::new()));
    assert_eq!(metrics(b).await["ReqReceived"], json!(["app-a", "app-a"]));
    let seen = metrics(a).await;
    assert_eq!(seen["RespSucceeded"][0]["URL"], json!(format!("http://{b}/echo")));
    assert_eq!(seen["RespFailed"][0]["Method"], "GET");
    assert_eq!(seen["ReqReceived"].as_array().unwrap().len(), 5);
    assert_eq!(send("DELETE", format!("http://{a}/metrics"), "").await.0, 200);
    assert_eq!(metrics(a).await, json!({ "ReqReceived": [], "RespSucceeded": [], "RespFailed": [] }));
    assert_eq!(send("PUT", format!("http://{a}/metrics"), "").await, (400, "Method not defined".into()));
}

#[tokio::test]
async fn the_shop_sells() {
    let store = start(&["store"]).await.to_string();
    let orders = start(&["orders", "--store-addr", &store]).await;
    let catalog = start(&["catalog", "--version", "v2"]).await;
    let (catalog, orders) = (format!("http://{catalog}"), format!("http://{orders}"));
    let web = start(&["web", "--catalog-url", &catalog, "--orders-url", &orders]).await;
    assert_eq!(send("POST", format!("http://{web}/buy"), "").await.0, 201);
    let page: Value = serde_json::from_str(&send("GET", format!("http://{web}/"), "").await.1).unwrap();
    assert_eq!(page["catalog"]["body"]["version"], "v2");
    assert_eq!(page["orders"]["body"]["orders"], "1");
}

#[tokio::test]
async fn a_driver_sees_what_a_program_sees() {
    let (web, store) = (start(&["web"]).await, start(&["store"]).await.to_string());
    let asked = post(format!("http://{web}/ask"), json!({ "url": format!("http://{web}/healthz") })).await;
    assert_eq!((&asked["status"], &asked["body"]), (&json!(200), &json!("{\"ok\":true}\n")));
    let refused = post(format!("http://{web}/ask"), json!({ "url": "http://127.0.0.1:1/" })).await;
    assert!(refused["error"].as_str().unwrap().starts_with("connect"), "{refused}");
    let told = post(format!("http://{web}/tcp"), json!({ "address": store, "send": "SET a b c" })).await;
    assert_eq!(told["reply"], "OK");
    let told = post(format!("http://{web}/tcp"), json!({ "address": store, "send": "GET a" })).await;
    assert_eq!(told["reply"], "b c");
}

#[tokio::test]
async fn a_held_session_tells_its_end() {
    let web = start(&["web"]).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let peer = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut ping = [0; 5];
        stream.read_exact(&mut ping).await.unwrap();
        stream.write_all(b"PONG\n").await.unwrap();
        stream
    });
    let opened = post(format!("http://{web}/sessions"), json!({ "address": address })).await;
    assert_eq!(opened["reply"], "PONG");
    drop(peer.await.unwrap());
    let (_, end) = send("GET", format!("http://{web}/sessions/{}", opened["id"]), "").await;
    assert_eq!(serde_json::from_str::<Value>(&end).unwrap(), json!({ "open": false, "end": "closed" }));
    assert_eq!(send("GET", format!("http://{web}/sessions/99"), "").await.0, 404);
}

#[test]
fn the_store_says_what_it_wants() {
    let store = store::Store::default();
    let lines = ["INCR n", "INCR n", "GET n", "GET m", "ping", "echo a", "SET x", ""];
    let replies = lines.map(|l| store.execute(l).unwrap());
    assert_eq!(replies[..6], ["1", "2", "2", "NIL", "PONG", "a"]);
    assert!(replies[6..].iter().all(|r| r.starts_with("ERR")));
    assert_eq!(store.execute("QUIT"), None);
}

#[tokio::test]
async fn calls_are_counted_by_outcome() {
    let a = start(&["echo", "--service-name", "a"]).await;
    let b = start(&["echo", "--service-name", "b"]).await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let lines = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let line = lines.local_addr().unwrap();
    tokio::spawn(async move { lines::serve(lines, &Drain::new(), "b host 7").await });

    let told = post(
        format!("http://{a}/calls"),
        json!({ "calls": [
            { "url": format!("http://{b}/any/path"), "times": 20 },
            { "url": format!("http://{b}/echo"), "http2": true },
            { "url": format!("http://{b}/metrics"), "method": "PUT" },
            { "url": format!("http://{free}/") },
            { "tcp": line.to_string(), "times": 2 },
            { "url": format!("http://{b}/echo"), "headers": { CLIENT_ID: "spiffe://east.local/ns/n/sa/a" } },
        ] }),
    )
    .await;

    let one = |i: usize, key: &str| told["tallies"][i][0][key].clone();
    assert_eq!((one(0, "service"), one(0, "count"), one(0, "status")), (json!("b"), json!(20), json!(200)));
    assert_eq!((one(0, "host"), one(0, "port")), (json!(host()), json!(b.port())));
    assert_eq!((one(1, "service"), one(1, "status")), (json!("b"), json!(200)), "over HTTP/2");
    assert_eq!(one(2, "status"), json!(400));
    assert_eq!((one(3, "fault"), one(3, "status")), (json!("refused"), Value::Null));
    assert_eq!((one(4, "service"), one(4, "port"), one(4, "count")), (json!("b"), json!(7), json!(2)));
    assert_eq!((one(5, "caller"), one(0, "caller")), (json!("spiffe://east.local/ns/n/sa/a"), Value::Null));
}
