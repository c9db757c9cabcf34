//! Who is who: attacks on mesh TLS at the sidecar's door (design §6).

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use isthmus_api::encode::bundles_key;
use isthmus_core::id::TrustDomain;
use isthmus_identity::{Authority, Bundle, MeshTls, SvidCell, TrustStore};

use crate::support::{
    app,
    client::{self, field},
    control::{Script, bundle, svid, svid_at},
    eventually,
    mesh::{Pod, allow, id, service},
};

const H1: &str = "isthmus-http/1.1";
const DAY: Duration = Duration::from_secs(86_400);

async fn callee() -> (Script, Pod) {
    let script = Script::start().await;
    script.set_policy("callee", allow(&[&id("caller")]));
    let pod = Pod::start(&script, "callee", &[8080], &[]).await;
    app::http((pod.app, 8080).into(), "app").await;
    (script, pod)
}

/// TLS that shows a certificate of this authority and trusts the mesh.
fn impostor(script: &Script, authority: &Authority, id: &str) -> MeshTls {
    let cell = SvidCell::new();
    cell.set(svid(authority, id));
    MeshTls::new(Arc::new(TrustStore::with(&[script.authority.bundle(1)]).unwrap()), Arc::new(cell))
}

async fn get(pod: &Pod, tls: &MeshTls) -> Result<http::StatusCode, client::Failure> {
    let stream = client::mesh_tls((pod.ip, 8080).into(), tls, H1, &pod.id).await?;
    Ok(client::get_over(stream, "/").await?.status())
}

#[tokio::test]
async fn certificates_of_strangers_are_refused() {
    let (script, pod) = callee().await;
    assert_eq!(get(&pod, &script.tls(id("caller").as_str())).await.unwrap(), 200);
    let generate =
        |domain: &str| Authority::generate(TrustDomain::new(domain).unwrap(), SystemTime::now(), DAY).unwrap();
    // Another trust domain; and another root that signs an ID of this one.
    let foreign = impostor(&script, &generate("elsewhere.example"), "spiffe://elsewhere.example/ns/shop/sa/caller");
    assert!(get(&pod, &foreign).await.is_err());
    let forged = impostor(&script, &generate("isthmus.local"), id("caller").as_str());
    assert!(get(&pod, &forged).await.is_err());
    // One that has expired.
    let expired = SvidCell::new();
    let long_ago = SystemTime::now() - Duration::from_secs(3 * 3600);
    expired.set(svid_at(&script.authority, id("caller").as_str(), long_ago));
    let roots = script.tls(id("caller").as_str()).roots().clone();
    assert!(get(&pod, &MeshTls::new(roots, Arc::new(expired))).await.is_err());
    // None at all.
    let nobody = MeshTls::new(Arc::clone(script.tls(id("caller").as_str()).roots()), Arc::new(SvidCell::new()));
    assert!(get(&pod, &nobody).await.is_err());
    assert!(pod.metric("isthmus_tls_handshakes_total{direction=\"inbound\",outcome=\"failed\"}").await >= 4.0);
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let (_script, pod) = callee().await;
    let mut config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
    config.alpn_protocols = vec![H1.into()];
    let stream = tokio::net::TcpStream::connect((pod.ip, 8080)).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let error = connector.connect("a.b".try_into().unwrap(), stream).await.unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
}

#[tokio::test]
async fn the_caller_insists_on_the_endpoints_identity() {
    let (script, pod) = callee().await;
    script.set_policy("caller", allow(&[]));
    let caller = Pod::start(&script, "caller", &[], &[("10.43.1.1", 80)]).await;
    let mut endpoint = pod.endpoint(8080);
    endpoint.identity = Some(id("somebody-else"));
    script.set_destination("10.43.1.1", 80, service(&[endpoint], None));
    let response = client::get(caller.call(0), "/").await.unwrap();
    assert_eq!((response.status().as_u16(), field(&response, "x-isthmus-error")), (503, "upstream-identity".into()));
    script.set_destination("10.43.1.1", 80, service(&[pod.endpoint(8080)], None));
    eventually("the right identity", async || client::get(caller.call(0), "/").await.unwrap().status() == 200).await;
}

#[tokio::test]
async fn a_domain_that_is_no_longer_trusted_loses_its_connections() {
    let (script, pod) = callee().await;
    let west = Authority::generate(TrustDomain::new("west.example").unwrap(), SystemTime::now(), DAY).unwrap();
    let visitor = "spiffe://west.example/ns/shop/sa/visitor";
    script.set_policy("callee", allow(&[&visitor.parse().unwrap(), &id("caller")]));
    script.set_bundles(vec![bundle(&script.authority), bundle(&west)]);
    script.acknowledged("callee", &bundles_key()).await;
    let tls = impostor(&script, &west, visitor);
    eventually("the visitor is let in", async || get(&pod, &tls).await.is_ok_and(|s| s == 200)).await;
    let stream = client::mesh_tls((pod.ip, 8080).into(), &tls, H1, &pod.id).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    assert_eq!(sender.send_request(client::request("/")).await.unwrap().status(), 200);
    script.set_bundles(vec![bundle(&script.authority)]);
    let _ = crate::support::soon("the cut", connection).await;
    assert!(sender.is_closed());
    assert!(get(&pod, &tls).await.is_err());
    assert_eq!(get(&pod, &script.tls(id("caller").as_str())).await.unwrap(), 200);
}

#[tokio::test]
async fn roots_that_cannot_be_used_are_refused_and_the_old_ones_stay() {
    let (script, pod) = callee().await;
    let mut broken = bundle(&script.authority);
    broken.roots = vec![b"not a certificate".to_vec().into()];
    script.set_bundles(vec![broken]);
    eventually("a refusal", async || !script.refusals("callee").is_empty()).await;
    assert_eq!(get(&pod, &script.tls(id("caller").as_str())).await.unwrap(), 200);
    assert!(Bundle::from_pem(TrustDomain::new("a").unwrap(), "", 0).is_err());
}

#[tokio::test]
async fn the_callers_connections_to_a_domain_no_longer_trusted_are_cut_too() {
    let (script, pod) = callee().await;
    script.set_policy("caller", allow(&[]));
    let caller = Pod::start(&script, "caller", &[], &[("10.43.1.1", 80)]).await;
    script.set_destination("10.43.1.1", 80, service(&[pod.endpoint(8080)], None));
    assert_eq!(client::get(caller.call(0), "/").await.unwrap().status(), 200);
    // The mesh's own domain is replaced by another one.
    let west = Authority::generate(TrustDomain::new("west.example").unwrap(), SystemTime::now(), DAY).unwrap();
    script.set_bundles(vec![bundle(&west)]);
    script.acknowledged("caller", &bundles_key()).await;
    let response = client::get(caller.call(0), "/").await.unwrap();
    assert_eq!((response.status().as_u16(), field(&response, "x-isthmus-error")), (503, "upstream-identity".into()));
}
