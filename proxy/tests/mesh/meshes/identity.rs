//! Who is who across meshes, and who may do what.

use std::sync::Arc;

use isthmus_core::{
    destination::Endpoint,
    id::{SpiffeId, TrustDomain},
    inbound::{InboundPolicy, PolicyMode},
};
use isthmus_identity::{ClientCerts, MeshTls, Svid, SvidCell};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{EAST, Meshes, exported, forge, server_name};
use crate::support::{
    address, app,
    client::{self, Talk, field},
    control::svid,
    mesh::{allow, id, service},
};

const H1: &str = "isthmus-http/1.1";

#[tokio::test]
async fn the_callee_sees_the_callers_own_identity_through_a_gateway() {
    let meshes = Meshes::start(&["one"]).await;
    meshes.set(service(&meshes.all(), None)).await;
    let mut request = client::request("/headers");
    request.headers_mut().insert("x-isthmus-client-id", "spiffe://west.example/ns/shop/sa/admin".parse().unwrap());
    let response = client::send(meshes.call(), request).await.unwrap();
    assert_eq!(response.status(), 200);
    let fields = client::text(response).await;
    let told: Vec<_> = fields.lines().filter(|line| line.starts_with("x-isthmus-client-id")).collect();
    assert_eq!(told, [format!("x-isthmus-client-id: {}", id("caller"))]);
    let seen = meshes.gateways[0].seen();
    assert!(!seen.is_empty() && seen.iter().all(|name| *name == server_name(&meshes.pods[0])), "{seen:?}");
    let counted = format!("isthmus_inbound_requests_total{{class=\"2xx\",client=\"{}\"}}", id("caller"));
    crate::support::eventually("counted", async || meshes.pods[0].counted(&counted).await >= 1.0).await;
}

#[tokio::test]
async fn in_a_flat_network_a_pod_is_called_without_a_gateway() {
    let meshes = Meshes::start(&["one"]).await;
    let pod = &meshes.pods[0];
    let straight = Endpoint { addr: (pod.ip, 8080).into(), ..meshes.remote(0, 0) };
    meshes.set(service(&[straight], None)).await;
    assert_eq!(asked(&meshes).await, (200, String::new()));
    assert!(meshes.gateways[0].seen().is_empty());
    // No other rules hold than through a gateway.
    meshes.set_policy(0, exported(&[&id("caller")], &[])).await;
    assert_eq!(asked(&meshes).await, (403, "not-exported".into()));
}

/// The status and deny code of a request to the first pod.
async fn asked(meshes: &Meshes) -> (u16, String) {
    let response = client::get(meshes.call(), "/").await.unwrap();
    (response.status().as_u16(), field(&response, "x-isthmus-deny"))
}

#[tokio::test]
async fn a_foreign_identity_needs_a_grant_and_an_export() {
    let meshes = Meshes::start(&["one"]).await;
    meshes.set(service(&meshes.all(), None)).await;
    assert_eq!(asked(&meshes).await, (200, String::new()));
    let caller = id("caller");
    let in_mode = |mode, policy| InboundPolicy { mode, ..policy };
    for (what, policy, code) in [
        ("no grant", exported(&[&id("somebody")], &[EAST]), "no-grant"),
        ("no export", exported(&[&caller], &[]), "not-exported"),
        ("exported to another mesh", exported(&[&caller], &["south.example"]), "not-exported"),
        ("nothing is enforced", in_mode(PolicyMode::Permissive, exported(&[&caller], &[])), "not-exported"),
        ("nothing but noted", in_mode(PolicyMode::Audit, exported(&[&caller], &[])), "not-exported"),
    ] {
        meshes.set_policy(0, policy).await;
        assert_eq!(asked(&meshes).await, (403, code.into()), "{what}");
    }
    let denied = "isthmus_denied_total{code=\"not-exported\",protocol=\"http\"}";
    assert_eq!(meshes.pods[0].metric(denied).await, 4.0);
    // In permissive mode an export is enough.
    meshes.set_policy(0, in_mode(PolicyMode::Permissive, exported(&[], &[EAST]))).await;
    assert_eq!(asked(&meshes).await, (200, String::new()));
}

#[tokio::test]
async fn tcp_that_is_not_exported_is_closed_and_an_export_withdrawn_cuts_it() {
    let meshes = Meshes::without_apps(&["one"]).await;
    app::echo((meshes.pods[0].app, 8080).into()).await;
    meshes.set(service(&meshes.all(), None)).await;
    let mut talk = Talk::open(meshes.call()).await;
    assert_eq!(talk.ask("hello").await, "hello");
    meshes.set_policy(0, exported(&[&id("caller")], &["south.example"])).await;
    assert!(talk.cut_by_reset().await);
    let revoked = "isthmus_revoked_connections_total{code=\"not-exported\"}";
    assert_eq!(meshes.pods[0].metric(revoked).await, 1.0);
    assert!(Talk::is_refused(meshes.call(), "hello again").await);
    assert!(meshes.pods[0].metric("isthmus_denied_total{code=\"not-exported\",protocol=\"tcp\"}").await >= 1.0);
}

/// TLS of somebody who shows this, and trusts both meshes.
fn showing(meshes: &Meshes, shown: Svid) -> MeshTls {
    let cell = SvidCell::new();
    cell.set(shown);
    let roots = [&meshes.east, &meshes.west].map(|script| script.authority.bundle(1));
    MeshTls::new(Arc::new(isthmus_identity::TrustStore::with(&roots).unwrap()), Arc::new(cell))
}

#[tokio::test]
async fn a_root_that_signs_an_id_of_another_mesh_is_refused_by_the_callee() {
    let meshes = Meshes::start(&["one"]).await;
    let pod = &meshes.pods[0];
    // The policy lets them in, if only they were who they say.
    let inside: SpiffeId = "spiffe://west.example/ns/shop/sa/inside".parse().unwrap();
    meshes.set_policy(0, exported(&[&inside, &id("caller")], &[EAST])).await;
    let get = async |tls: MeshTls| {
        let stream = client::mesh_tls((pod.ip, 8080).into(), &tls, H1, &pod.id).await?;
        Ok::<_, client::Failure>(client::get_over(stream, "/").await?.status().as_u16())
    };
    assert_eq!(get(showing(&meshes, svid(&meshes.west.authority, inside.as_str()))).await.unwrap(), 200);
    assert_eq!(get(showing(&meshes, svid(&meshes.east.authority, id("caller").as_str()))).await.unwrap(), 200);
    // The forger's work is good enough for the root's own domain.
    assert_eq!(get(showing(&meshes, forge::svid(&meshes.west.authority, &inside))).await.unwrap(), 200);
    assert!(get(showing(&meshes, forge::svid(&meshes.east.authority, &inside))).await.is_err());
    assert!(get(showing(&meshes, forge::svid(&meshes.west.authority, &id("caller")))).await.is_err());
}

/// A gateway that ends TLS itself and shows this certificate; how the caller's request fares.
async fn behind_a_false_gateway(meshes: &mut Meshes, shown: Svid) -> (u16, String) {
    let tls = showing(meshes, shown).server_config(&[H1.as_bytes()], ClientCerts::Optional).unwrap();
    let listener = TcpListener::bind((address(), 15_443)).await.unwrap();
    let endpoint = isthmus_core::destination::Endpoint { addr: listener.local_addr().unwrap(), ..meshes.remote(0, 0) };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = TlsAcceptor::from(Arc::clone(&tls));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = hyper::service::service_fn(|_| async {
                    Ok::<_, std::convert::Infallible>(http::Response::new(String::from("forged")))
                });
                let io = hyper_util::rt::TokioIo::new(stream);
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
            });
        }
    });
    meshes.set(service(&[endpoint], None)).await;
    let response = client::get(meshes.call(), "/").await.unwrap();
    (response.status().as_u16(), field(&response, "x-isthmus-error"))
}

#[tokio::test]
async fn a_gateway_cannot_pass_for_the_callee() {
    let mut meshes = Meshes::start(&["one"]).await;
    let callee = meshes.pods[0].id.clone();
    let west = meshes.west.clone();
    let refused = (503, "upstream-identity".to_owned());
    // With the callee's own certificate it would be believed.
    let stolen = svid(&west.authority, callee.as_str());
    assert_eq!(behind_a_false_gateway(&mut meshes, stolen).await, (200, String::new()));
    let own = svid(&west.authority, "spiffe://west.example/ns/isthmus-system/sa/isthmus-gateway");
    assert_eq!(behind_a_false_gateway(&mut meshes, own).await, refused);
    // Nor with one that the caller's own mesh has signed for it.
    let forged = forge::svid(&meshes.east.authority, &callee);
    assert_eq!(behind_a_false_gateway(&mut meshes, forged).await, refused);
}

#[tokio::test]
async fn an_identity_of_a_mesh_that_was_never_joined_is_refused() {
    let meshes = Meshes::start(&["one"]).await;
    let domain = TrustDomain::new("north.example").unwrap();
    let day = std::time::Duration::from_secs(86_400);
    let north = isthmus_identity::Authority::generate(domain, std::time::SystemTime::now(), day).unwrap();
    let visitor: SpiffeId = "spiffe://north.example/ns/shop/sa/visitor".parse().unwrap();
    meshes.set_policy(0, InboundPolicy { trust_domain: None, ..allow(&[&visitor]) }).await;
    let tls = showing(&meshes, svid(&north, visitor.as_str()));
    let pod = &meshes.pods[0];
    let stream = client::mesh_tls((pod.ip, 8080).into(), &tls, H1, &pod.id).await;
    let answered = match stream {
        Ok(stream) => client::get_over(stream, "/").await.is_ok(),
        Err(_) => false,
    };
    assert!(!answered);
}
