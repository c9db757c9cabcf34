use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use isthmus_core::id::{SpiffeId, TrustDomain};
use isthmus_identity::{
    Authority, Bundle, ClientCerts, Document, Keypair, MAX_DOCUMENT, MeshTls, Svid, SvidCell, TrustStore,
    crypto_provider,
};
use proptest::prelude::*;
use rustls::{ClientConfig, RootCertStore, version::TLS13};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn domain(name: &str) -> TrustDomain {
    TrustDomain::new(name).unwrap()
}

fn authority(name: &str) -> Authority {
    Authority::generate(domain(name), SystemTime::now(), HOUR).unwrap()
}

fn controller(name: &str) -> SpiffeId {
    SpiffeId::for_service_account(&domain(name), "isthmus-system", "isthmus-controller").unwrap()
}

fn svid(authority: &Authority, id: &SpiffeId) -> Svid {
    let keypair = Keypair::generate().unwrap();
    let issued = authority.issue(&keypair.csr().unwrap(), id, SystemTime::now(), HOUR).unwrap();
    Svid::new(issued.chain, &keypair).unwrap()
}

fn trusting(bundles: &[Bundle]) -> Fetcher {
    Fetcher::new(Arc::new(TrustStore::with(bundles).unwrap()))
}

/// An endpoint of a mesh, which proves itself by its controller's SVID.
struct Endpoint {
    url: EndpointUrl,
    document: watch::Sender<Bytes>,
    _stop: DropGuard,
}

impl Endpoint {
    async fn of(authority: &Authority) -> Self {
        let cell = Arc::new(SvidCell::new());
        cell.set(svid(authority, &controller(authority.trust_domain().as_str())));
        let tls = MeshTls::new(Arc::new(TrustStore::new()), cell);
        let config = tls.server_config(&[b"http/1.1"], ClientCerts::Optional).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://127.0.0.1:{}/", listener.local_addr().unwrap().port()).parse().unwrap();
        let text = Document::of(&authority.bundle(1), Duration::from_secs(60)).unwrap();
        let (document, documents) = watch::channel(Bytes::from(text));
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, config, documents, stop.clone()));
        Self { url, document, _stop: stop.drop_guard() }
    }

    fn at(&self, path: &str) -> EndpointUrl {
        format!("{}{path}", self.url.to_string().trim_end_matches('/')).parse().unwrap()
    }
}

#[tokio::test]
async fn a_bundle_is_fetched_by_the_spiffe_id_of_its_endpoint() {
    let west = authority("west.local");
    let endpoint = Endpoint::of(&west).await;
    let fetcher = trusting(&[west.bundle(1)]);
    let profile = Profile::Spiffe(controller("west.local"));
    let found = fetcher.fetch(&endpoint.url, &profile, domain("west.local")).await.unwrap();
    assert_eq!((found.bundle, found.refresh_hint), (west.bundle(1), Some(Duration::from_secs(60))));
    // The endpoint says what is true now.
    let next = Document::of(&west.bundle(2), Duration::from_secs(60)).unwrap();
    endpoint.document.send_replace(next.into());
    let found = fetcher.fetch(&endpoint.url, &profile, domain("west.local")).await.unwrap();
    assert_eq!(found.bundle.sequence, 2);
}

#[tokio::test]
async fn an_endpoint_of_another_identity_or_root_is_refused() {
    let (west, east, impostor) = (authority("west.local"), authority("east.local"), authority("west.local"));
    let asked = Profile::Spiffe(controller("west.local"));
    // Another root of the same name; another mesh; and the right root with another workload's ID.
    for (serving, trusted) in [(&impostor, &west), (&east, &west), (&west, &east)] {
        let endpoint = Endpoint::of(serving).await;
        let error =
            trusting(&[trusted.bundle(1)]).fetch(&endpoint.url, &asked, domain("west.local")).await.unwrap_err();
        assert!(matches!(error, FetchError::Tls { .. }), "{error}");
    }
    let endpoint = Endpoint::of(&west).await;
    let other = Profile::Spiffe("spiffe://west.local/ns/shop/sa/web".parse().unwrap());
    let error = trusting(&[west.bundle(1)]).fetch(&endpoint.url, &other, domain("west.local")).await.unwrap_err();
    assert!(matches!(error, FetchError::Tls { .. }), "{error}");
}

#[tokio::test]
async fn the_bundle_of_another_domain_is_not_taken_for_the_one_asked_for() {
    let west = authority("west.local");
    let endpoint = Endpoint::of(&west).await;
    let profile = Profile::Spiffe(controller("west.local"));
    let error = trusting(&[west.bundle(1)]).fetch(&endpoint.url, &profile, domain("east.local")).await.unwrap_err();
    assert!(matches!(error, FetchError::Document { .. }), "{error}");
}

#[tokio::test]
async fn what_is_no_bundle_is_refused_and_told() {
    let west = authority("west.local");
    let endpoint = Endpoint::of(&west).await;
    let fetcher = trusting(&[west.bundle(1)]);
    let profile = Profile::Spiffe(controller("west.local"));
    let error = fetcher.fetch(&endpoint.at("/elsewhere"), &profile, domain("west.local")).await.unwrap_err();
    assert!(matches!(error, FetchError::Status { .. }), "{error}");
    for (body, long) in [(vec![b' '; MAX_DOCUMENT + 1], true), (b"<html>".to_vec(), false), (Vec::new(), false)] {
        endpoint.document.send_replace(body.into());
        let error = fetcher.fetch(&endpoint.url, &profile, domain("west.local")).await.unwrap_err();
        assert_eq!(matches!(error, FetchError::TooLong { .. }), long, "{error}");
        assert_eq!(matches!(error, FetchError::Document { .. }), !long, "{error}");
    }
}

#[tokio::test]
async fn an_endpoint_known_by_its_name_shows_a_certificate_for_it() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let config = web_config(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stop = CancellationToken::new();
    let _end = stop.clone().drop_guard();
    let (_document, documents) = watch::channel(Bytes::from_static(b"{}"));
    tokio::spawn(serve(listener, config, documents, stop));
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(crypto_provider())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = Arc::new(client);
    let url = |host: &str| format!("https://{host}:{port}/").parse().unwrap();
    assert_eq!(fetch::get(&url("localhost"), Arc::clone(&client)).await.unwrap(), "{}");
    let error = fetch::get(&url("127.0.0.1"), client).await.unwrap_err();
    assert!(matches!(error, FetchError::Tls { .. }), "{error}");
    assert!(web_config(b"", key.serialize_pem().as_bytes()).is_err());
    assert!(web_config(certificate.pem().as_bytes(), b"").is_err());
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_given_up() {
    let west = authority("west.local");
    let cell = Arc::new(SvidCell::new());
    cell.set(svid(&west, &controller("west.local")));
    let config = MeshTls::new(Arc::new(TrustStore::new()), cell).server_config(&[b"http/1.1"], ClientCerts::Optional);
    let acceptor = TlsAcceptor::from(config.unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        let mut stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        // It takes the request, promises an answer, and is silent.
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n").await;
        std::future::pending::<()>().await;
    });
    let profile = Profile::Spiffe(controller("west.local"));
    let fetcher = trusting(&[west.bundle(1)]);
    let fetched = fetcher.fetch_within(Duration::from_millis(300), &url, &profile, domain("west.local")).await;
    assert!(matches!(fetched, Err(FetchError::Timeout { .. })), "{fetched:?}");
}

#[test]
fn urls_are_https_and_name_a_host() {
    let good: EndpointUrl = "https://west.example.com:8443/bundle?x=1".parse().unwrap();
    assert_eq!((good.host(), good.port(), good.path()), ("west.example.com", 8443, "/bundle?x=1"));
    let plain: EndpointUrl = "https://[fd00::1]".parse().unwrap();
    assert_eq!((plain.host(), plain.port(), plain.path()), ("fd00::1", 443, "/"));
    let long = format!("https://h/{}", "a".repeat(EndpointUrl::MAX));
    for text in ["", "west", "http://west/", "https://", "https:///x", "https://user@west/", "https://west:0/", &long] {
        assert!(text.parse::<EndpointUrl>().is_err(), "{text}");
    }
}

#[test]
fn the_refresh_hint_is_honoured_within_bounds() {
    let poll = |hint: Option<u64>, failures| next_poll(hint.map(Duration::from_secs), failures, 0.0);
    assert_eq!(poll(Some(60), 0), Duration::from_secs(60));
    assert_eq!(poll(None, 0), DEFAULT_POLL);
    assert_eq!((poll(Some(0), 0), poll(Some(u64::MAX), 0)), (SHORTEST_POLL, LONGEST_POLL));
    assert_eq!(
        (poll(Some(60), 1), poll(Some(60), 2), poll(Some(60), 9)),
        (Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(60))
    );
    assert_eq!(next_poll(None, 0, 1.0), DEFAULT_POLL.mul_f64(0.9));
}

#[test]
fn an_older_bundle_is_not_taken_and_one_without_sequence_counts_as_later() {
    let (west, next) = (authority("west.local"), authority("west.local"));
    let found = |bundle: Bundle, sequence: Option<u64>| Document {
        bundle: Bundle { sequence: sequence.unwrap_or(0), ..bundle },
        sequence,
        refresh_hint: None,
    };
    let held = west.bundle(5);
    assert_eq!(take(None, found(west.bundle(5), Some(5))), Ok(Some(held.clone())));
    assert_eq!(take(Some(&held), found(west.bundle(5), Some(5))), Ok(None));
    assert_eq!(take(Some(&held), found(next.bundle(6), Some(6))), Ok(Some(next.bundle(6))));
    assert!(matches!(take(Some(&held), found(next.bundle(4), Some(4))), Err(NotTaken::RolledBack { given: 4, .. })));
    assert_eq!(take(Some(&held), found(west.bundle(0), None)), Ok(None));
    assert_eq!(take(Some(&held), found(next.bundle(0), None)), Ok(Some(next.bundle(6))));
}

proptest! {
    #[test]
    fn polls_are_never_far_apart_nor_a_storm(hint in proptest::option::of(any::<u64>()), failures: u32, jitter: f64) {
        let pause = next_poll(hint.map(Duration::from_secs), failures, jitter);
        prop_assert!(pause <= LONGEST_POLL && pause >= Duration::from_millis(1800));
    }
}
