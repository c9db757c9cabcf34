#![allow(clippy::unwrap_used)]

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use isthmus_core::id::TrustDomain;
use isthmus_identity::{Authority, ClientCerts, Document, Keypair, MeshTls, Svid, SvidCell, TrustStore};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;

const CATALOG: &str = "spiffe://west.local/ns/shop/sa/catalog";
const HOUR: Duration = Duration::from_secs(3600);

fn authority() -> Authority {
    Authority::generate(TrustDomain::new("west.local").unwrap(), SystemTime::now(), HOUR).unwrap()
}

/// A sidecar's TLS, which insists on its clients' certificates; it takes one connection.
async fn sidecar(authority: &Authority, id: &str) -> SocketAddr {
    let keypair = Keypair::generate().unwrap();
    let issued = authority.issue(&keypair.csr().unwrap(), &id.parse().unwrap(), SystemTime::now(), HOUR).unwrap();
    let svid = SvidCell::new();
    svid.set(Svid::new(issued.chain, &keypair).unwrap());
    let roots = TrustStore::with(&[authority.bundle(1)]).unwrap();
    let tls = MeshTls::new(Arc::new(roots), Arc::new(svid));
    let acceptor = TlsAcceptor::from(tls.server_config(&[b"isthmus-tcp"], ClientCerts::Required).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        assert!(acceptor.accept(stream).await.is_err(), "a probe shows no certificate");
    });
    addr
}

fn dial(address: impl ToString, authority: &Authority, identity: &str) -> Dial {
    Dial {
        address: address.to_string(),
        server_name: "p80.catalog.shop.svc.west.mesh".into(),
        alpn: "isthmus-tcp".into(),
        identities: vec![identity.into()],
        bundle: Document::of(&authority.bundle(1), HOUR).unwrap(),
    }
}

/// Kind of each step, and whether it was good.
fn steps(seen: &Seen) -> Vec<(Kind, bool)> {
    seen.steps.iter().map(|step| (step.kind, step.found.is_ok())).collect()
}

#[tokio::test]
async fn who_answers_is_seen_without_showing_a_certificate() {
    let authority = authority();
    let addr = sidecar(&authority, CATALOG).await;
    let seen = dial::look(&dial(addr, &authority, CATALOG)).await.unwrap();
    assert_eq!(steps(&seen), [(Kind::Dns, true), (Kind::Tcp, true), (Kind::Tls, true), (Kind::Identity, true)]);
    assert_eq!(seen.steps.last().unwrap().found.as_deref(), Ok(CATALOG));
}

#[tokio::test]
async fn another_identity_or_another_root_is_a_fault_of_identity() {
    let (ours, other) = (authority(), authority());
    for (signer, id) in [(&ours, "spiffe://west.local/ns/shop/sa/batch"), (&other, CATALOG)] {
        let addr = sidecar(signer, id).await;
        let seen = dial::look(&dial(addr, &ours, CATALOG)).await.unwrap();
        assert_eq!(steps(&seen).last(), Some(&(Kind::Identity, false)), "{id}: {seen:?}");
    }
}

#[tokio::test]
async fn the_step_that_fails_is_the_last() {
    let authority = authority();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hangs_up = listener.local_addr().unwrap();
    tokio::spawn(async move { drop(listener.accept().await) });
    let seen = dial::look(&dial(hangs_up, &authority, CATALOG)).await.unwrap();
    assert_eq!(steps(&seen).last(), Some(&(Kind::Tls, false)));
    // A port that was free a moment ago, on an address that only this test uses.
    let closed = TcpListener::bind("127.77.31.9:0").await.unwrap().local_addr().unwrap();
    let seen = dial::look(&dial(closed, &authority, CATALOG)).await.unwrap();
    assert_eq!(steps(&seen).last(), Some(&(Kind::Tcp, false)));
    let seen = dial::look(&dial("no-such-name.invalid:80", &authority, CATALOG)).await.unwrap();
    assert_eq!(steps(&seen), [(Kind::Dns, false)]);
}

/// A sidecar as it is to a request: this answer, whatever is asked. Gives what was asked.
async fn answering(answer: &'static str) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap()
    });
    (addr, asked)
}

async fn ask(answer: &'static str) -> (Seen, String) {
    let (proxy, asked) = answering(answer).await;
    let seen = request::look(&Request { proxy, url: "http://catalog-west.shop/items".into() }).await.unwrap();
    (seen, asked.await.unwrap())
}

#[tokio::test]
async fn a_request_goes_by_the_sidecar_and_its_answer_is_told() {
    let (seen, asked) = ask("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    assert!(asked.starts_with("GET http://catalog-west.shop/items HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("host: catalog-west.shop\r\n"), "{asked}");
    assert_eq!(seen.steps.last().unwrap().found.as_deref(), Ok("status 404"), "the application's own affair");
}

#[tokio::test]
async fn a_refusal_of_the_mesh_is_a_fault_with_its_code() {
    let (seen, _) = ask("HTTP/1.1 403 Forbidden\r\nx-isthmus-deny: not-exported\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(seen.steps.last().unwrap().found, Err("403, x-isthmus-deny: not-exported".into()));
    let (seen, _) =
        ask("HTTP/1.1 503 Service Unavailable\r\nx-isthmus-error: no-endpoints\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(seen.steps.last().unwrap().found, Err("503, x-isthmus-error: no-endpoints".into()));
}

#[test]
fn a_probe_is_one_argument() {
    let probe = Probe::Request(Request { proxy: ([127, 0, 0, 1], 15001).into(), url: "http://web/".into() });
    let text = serde_json::to_string(&probe).unwrap();
    assert_eq!(text, r#"{"request":{"proxy":"127.0.0.1:15001","url":"http://web/"}}"#);
    assert_eq!(serde_json::from_str::<Probe>(&text).unwrap(), probe);
}
