//! A mesh that is trusted no more: what is open to it is cut, in both directions, and counted.

use isthmus_api::encode::bundles_key;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Meshes;
use crate::support::{
    app,
    client::{self, Talk, field},
    control::bundle,
    mesh::service,
    soon,
};

#[tokio::test]
async fn the_callers_side_cuts_what_it_has_open_and_says_how_many() {
    let meshes = Meshes::start(&["one", "two"]).await;
    meshes.set(service(&[meshes.remote(0, 0)], None)).await;
    // One connection in a pool, and one that has left HTTP.
    assert_eq!(client::get(meshes.call(), "/").await.unwrap().status(), 200);
    let stream = tokio::net::TcpStream::connect(meshes.call()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    let mut upgrade = client::request("/upgrade");
    upgrade.headers_mut().insert("connection", "upgrade".parse().unwrap());
    upgrade.headers_mut().insert("upgrade", "shout".parse().unwrap());
    let response = sender.send_request(upgrade).await.unwrap();
    assert_eq!(response.status(), 101);
    let mut upgraded = hyper_util::rt::TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    upgraded.write_all(b"hello").await.unwrap();
    let mut shouted = [0; 5];
    upgraded.read_exact(&mut shouted).await.unwrap();
    assert_eq!(&shouted, b"HELLO");

    meshes.east.set_bundles(vec![bundle(&meshes.east.authority)]);
    meshes.east.acknowledged("caller", &bundles_key()).await;
    // What was acknowledged is in effect.
    assert!(matches!(soon("the cut", upgraded.read(&mut shouted)).await, Ok(0) | Err(_)));
    let response = client::get(meshes.call(), "/").await.unwrap();
    assert_eq!((response.status().as_u16(), field(&response, "x-isthmus-error")), (503, "upstream-identity".into()));
    let cut = meshes.east.cut("caller", &bundles_key());
    assert!((1..=2).contains(&cut), "the upgraded one, and the pooled one unless that is the one upgraded: {cut}");
}

#[tokio::test]
async fn tcp_is_cut_on_either_side() {
    for revoking in ["east", "west"] {
        let meshes = Meshes::without_apps(&["one"]).await;
        app::echo((meshes.pods[0].app, 8080).into()).await;
        meshes.set(service(&meshes.all(), None)).await;
        let mut open = Vec::new();
        for _ in 0..3 {
            let mut talk = Talk::open(meshes.call()).await;
            assert_eq!(talk.ask("hello").await, "hello");
            open.push(talk);
        }
        let (script, pod) = match revoking {
            "east" => (&meshes.east, "caller"),
            _ => (&meshes.west, "one"),
        };
        assert_eq!(script.cut(pod, &bundles_key()), 0);
        script.set_bundles(vec![bundle(&script.authority)]);
        script.acknowledged(pod, &bundles_key()).await;
        for talk in open {
            assert!(talk.cut_by_reset().await, "{revoking}");
        }
        assert_eq!(script.cut(pod, &bundles_key()), 3, "{revoking}");
        assert!(Talk::is_refused(meshes.call(), "hello again").await);
    }
}

#[tokio::test]
async fn the_callees_side_cuts_http_and_lets_its_own_go_on() {
    let meshes = Meshes::start(&["one"]).await;
    let pod = &meshes.pods[0];
    let own = "spiffe://west.example/ns/shop/sa/own".parse().unwrap();
    meshes.set_policy(0, super::exported(&[&crate::support::mesh::id("caller"), &own], &[super::EAST])).await;
    meshes.set(service(&meshes.all(), None)).await;
    assert_eq!(client::get(meshes.call(), "/").await.unwrap().status(), 200);
    let tls = meshes.west.tls(own.as_str());
    let stream = client::mesh_tls((pod.ip, 8080).into(), &tls, "isthmus-http/1.1", &pod.id).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(sender.send_request(client::request("/")).await.unwrap().status(), 200);

    meshes.west.set_bundles(vec![bundle(&meshes.west.authority)]);
    meshes.west.acknowledged("one", &bundles_key()).await;
    assert_eq!(meshes.west.cut("one", &bundles_key()), 1);
    sender.ready().await.unwrap();
    assert_eq!(sender.send_request(client::request("/")).await.unwrap().status(), 200);
    // By its own rules the caller may still connect; it is the callee that refuses.
    assert!(client::get(meshes.call(), "/").await.unwrap().status().is_server_error());
}
