//! From local endpoints to those of another mesh, and back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use isthmus_core::{
    destination::Endpoint,
    failover::{HOLD, PROBE_EVERY},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_util::sync::CancellationToken;

use super::Meshes;
use crate::support::{
    address, app, client, eventually,
    mesh::{Pod, allow, id, service},
};

/// A pod of east that comes before west's.
async fn local(meshes: &Meshes, name: &str) -> Pod {
    meshes.east.set_policy(name, allow(&[&id("caller")]));
    Pod::start(&meshes.east, name, &[8080], &[]).await
}

fn second(endpoints: Vec<Endpoint>) -> impl Iterator<Item = Endpoint> {
    endpoints.into_iter().map(|endpoint| Endpoint { priority: 1, ..endpoint })
}

/// An application that answers each connection's one request with `local`, until it ends as a process does.
async fn mortal(pod: &Pod) -> CancellationToken {
    let stop = CancellationToken::new();
    let bound = std::cell::Cell::new(None);
    eventually("the port is free", async || {
        bound.set(TcpListener::bind((pod.app, 8080)).await.ok());
        let listener = bound.take();
        let free = listener.is_some();
        bound.set(listener);
        free
    })
    .await;
    let listener = bound.take().unwrap();
    tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.windows(4).any(|w| w == b"\r\n\r\n") {
                    if stream.read_buf(&mut head).await.is_ok_and(|n| n == 0) {
                        return;
                    }
                }
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nlocal";
                let _ = stream.write_all(answer).await;
            });
        }
    }));
    stop
}

/// What is answered from now until `until` holds, each with its time. None may fail.
async fn answers(meshes: &Meshes, until: &AtomicBool) -> Vec<(Instant, String)> {
    let mut sender = client::http1(meshes.call()).await.unwrap();
    let mut all = Vec::new();
    while !until.load(Ordering::Relaxed) {
        sender.ready().await.unwrap();
        let response = crate::support::soon("an answer", sender.send_request(client::request("/"))).await.unwrap();
        assert_eq!(response.status(), 200, "after {all:?}");
        all.push((Instant::now(), client::text(response).await));
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    all
}

#[tokio::test]
async fn requests_fail_over_to_another_mesh_and_back_and_none_fails() {
    let meshes = Meshes::start(&["west"]).await;
    let pods = [local(&meshes, "one").await, local(&meshes, "two").await];
    let apps = [mortal(&pods[0]).await, mortal(&pods[1]).await];
    let endpoints: Vec<_> = pods.iter().map(|pod| pod.endpoint(8080)).chain(second(meshes.all())).collect();
    meshes.set(service(&endpoints, None)).await;

    let done = Arc::new(AtomicBool::new(false));
    let asking = answers(&meshes, &done);
    let acting = async {
        let now = async || client::text(client::get(meshes.call(), "/").await.unwrap()).await;
        assert_eq!(now().await, "local");
        apps.iter().for_each(CancellationToken::cancel);
        eventually("it has failed over", async || now().await == "west").await;
        let _again = [mortal(&pods[0]).await, mortal(&pods[1]).await];
        // A probe may be answered there before; so many in a row are none.
        let row = std::cell::Cell::new(0);
        eventually("it is back", async || {
            row.set(if now().await == "local" { row.get() + 1 } else { 0 });
            row.get() >= 50
        })
        .await;
        done.store(true, Ordering::Relaxed);
    };
    let (all, ()) = tokio::join!(asking, acting);

    let begun = all.iter().position(|(_, body)| body == "west").expect("it has failed over");
    let ended = all.iter().rposition(|(_, body)| body == "west").expect("it has failed over");
    assert!(all[..begun].iter().all(|(_, body)| body == "local"));
    // Away for as long as it takes to be sure, with a probe now and then.
    let away = all[ended].0 - all[begun].0;
    let probes = all[begun..ended].iter().filter(|(_, body)| body == "local").count();
    assert!(away + PROBE_EVERY >= HOLD, "{away:?}");
    assert!(probes as f64 <= away.as_secs_f64() / PROBE_EVERY.as_secs_f64() + 1.0, "{probes} in {away:?}");
}

#[tokio::test]
async fn what_is_absent_is_failed_over_from_and_what_comes_back_is_not_rushed() {
    let meshes = Meshes::start(&["west"]).await;
    let pod = local(&meshes, "one").await;
    app::http((pod.app, 8080).into(), "local").await;
    let west: Vec<_> = second(meshes.all()).collect();
    let both: Vec<_> = std::iter::once(pod.endpoint(8080)).chain(west.clone()).collect();
    meshes.set(service(&both, None)).await;
    assert_eq!(client::count(&client::many(meshes.call(), "/", 10).await, "200 local"), 10);
    meshes.set(service(&west, None)).await;
    assert_eq!(client::count(&client::many(meshes.call(), "/", 10).await, "200 west"), 10);
    let back = Instant::now();
    meshes.set(service(&both, None)).await;
    let bodies = client::many(meshes.call(), "/", 50).await;
    assert!(back.elapsed() >= HOLD || client::count(&bodies, "200 west") >= 25, "{bodies:?}");
    assert!(bodies.iter().all(|body| body.starts_with("200 ")), "{bodies:?}");
}

#[tokio::test]
async fn tcp_connections_fail_over_when_nothing_local_takes_them() {
    let meshes = Meshes::without_apps(&["west"]).await;
    app::greeter((meshes.pods[0].app, 8080).into(), "west\n").await;
    let pod = local(&meshes, "one").await;
    app::greeter((pod.app, 8080).into(), "local\n").await;
    let west: Vec<_> = second(meshes.all()).collect();
    let both: Vec<_> = std::iter::once(pod.endpoint(8080)).chain(west.clone()).collect();
    meshes.set(service(&both, None)).await;
    assert_eq!(client::Talk::open(meshes.call()).await.line().await, "local");
    // Pods that are gone, of which the controller hasn't heard.
    let gone = (0..4).map(|_| Endpoint { addr: (address(), 8080).into(), ..pod.endpoint(8080) });
    meshes.set(service(&gone.chain(west).collect::<Vec<_>>(), None)).await;
    for _ in 0..10 {
        let mut talk = client::Talk::open(meshes.call()).await;
        assert_eq!(talk.line().await, "west");
        assert_eq!(talk.ask("hello").await, "hello");
    }
}
