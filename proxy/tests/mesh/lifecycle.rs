//! Start, admin server, and an end that cuts nothing.

mod drain;

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::watch,
};

use crate::support::{
    app,
    client::{self, Talk},
    control::Script,
    eventually,
    mesh::{Pod, Spec, allow, backend, id, service, split},
    soon,
};

const VIP: (&str, u16) = ("10.43.3.3", 80);

async fn pair(script: &Script, edit: fn(&mut isthmus_proxy::Config)) -> (Pod, Pod) {
    script.set_policy("callee", allow(&[&id("caller")]));
    script.set_policy("caller", allow(&[]));
    let caller = Pod::launch(script, Spec { name: "caller", ports: &[], calls: &[VIP], edit });
    let callee = Pod::start(script, "callee", &[8080], &[]).await;
    caller.ready().await;
    script.set_destination(VIP.0, VIP.1, service(&[callee.endpoint(8080)], None));
    (caller, callee)
}

#[tokio::test]
async fn a_drain_does_not_cut_what_is_under_way() {
    let script = Script::start().await;
    let (caller, callee) = pair(&script, |_| {}).await;
    // Answers half, and the rest when it is told to.
    let (go, gone) = watch::channel(false);
    app::tcp((callee.app, 8080).into(), move |mut stream| {
        let mut gone = gone.clone();
        async move {
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst").await.unwrap();
            let _ = gone.wait_for(|gone| *gone).await;
            let _ = stream.write_all(b" half").await;
        }
    })
    .await;
    let response = client::get(caller.call(0), "/").await.unwrap();
    for pod in [&caller, &callee] {
        pod.shutdown.cancel();
    }
    eventually("not ready", async || client::get(caller.admin, "/ready").await.is_ok_and(|r| r.status() == 503)).await;
    // What arrives meanwhile is served too, and told of the end.
    let late = client::get(caller.call(0), "/").await.unwrap();
    assert_eq!((late.status().as_u16(), client::field(&late, "connection").as_str()), (200, "close"));
    assert!(!caller.running.is_finished() && !callee.running.is_finished());
    go.send(true).unwrap();
    assert_eq!(client::text(response).await, "first half");
    assert_eq!(client::text(late).await, "first half");
    for pod in [caller, callee] {
        eventually("ended", async || pod.running.is_finished()).await;
    }
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_end_but_tcp_holds_it_until_the_deadline() {
    let script = Script::start().await;
    let (caller, callee) = pair(&script, |config| config.drain = Duration::from_millis(300)).await;
    app::http((callee.app, 8080).into(), "app").await;
    let mut idle = client::http1(caller.call(0)).await.unwrap();
    assert_eq!(idle.send_request(client::request("/")).await.unwrap().status(), 200);
    callee.shutdown.cancel();
    eventually("the callee has ended", async || callee.running.is_finished()).await;
    let mut talk = Talk::open(caller.explicit()).await;
    talk.say("GET").await;
    caller.shutdown.cancel();
    eventually("the caller has ended", async || caller.running.is_finished()).await;
    soon("the cut", talk.cut_by_reset()).await;
}

#[tokio::test]
async fn the_admin_server_shows_configuration_and_metrics_but_no_secret() {
    let script = Script::start().await;
    let (caller, callee) = pair(&script, |_| {}).await;
    app::http((callee.app, 8080).into(), "app").await;
    assert_eq!(client::get(caller.call(0), "/").await.unwrap().status(), 200);
    let config = client::text(client::get(caller.admin, "/config").await.unwrap()).await;
    let json: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(json["destinations"][0]["host"], VIP.0);
    assert_eq!(json["inbound"]["policy"]["mode"], "enforce");
    assert!(!config.contains("PRIVATE"));
    let edge = "isthmus_outbound_requests_total{backend=\"shop/web\",class=\"2xx\",service=\"shop/web\",split=\"\"}";
    eventually("the request is counted", async || caller.counted(edge).await == 1.0).await;
    let inbound = format!("isthmus_inbound_requests_total{{class=\"2xx\",client=\"{}\"}}", id("caller"));
    eventually("the callee counts too", async || callee.counted(&inbound).await == 1.0).await;
    assert!(caller.metric("isthmus_certificate_expiry_seconds").await > 1e9);
}

#[tokio::test]
async fn several_workers_take_changes_over_before_they_are_acknowledged() {
    let script = Script::start().await;
    let (caller, callee) = pair(&script, |config| config.workers = 3).await;
    app::http((callee.app, 8080).into(), "app").await;
    for _ in 0..10 {
        assert_eq!(client::get(caller.call(0), "/").await.unwrap().status(), 200);
    }
    script.set_destination(VIP.0, VIP.1, service(&[], None));
    let key = isthmus_core::destination::DestinationKey { host: VIP.0.into(), port: VIP.1 };
    script.acknowledged("caller", &isthmus_api::encode::destination_key(&key)).await;
    for _ in 0..30 {
        assert_eq!(client::get(caller.call(0), "/").await.unwrap().status(), 503);
    }
}

#[tokio::test]
async fn bad_configuration_is_named() {
    let script = Script::start().await;
    for (edit, text) in [
        ((|c| c.workers = 0) as fn(&mut isthmus_proxy::Config), "workers"),
        (|c| c.control_addr = "nowhere".into(), "control_addr"),
        (|c| c.trust_bundle = "junk".into(), "trust bundle"),
        (|c| c.namespace.clear(), "namespace"),
    ] {
        let mut pod = Pod::launch(&script, Spec { name: "bad", ports: &[], calls: &[], edit });
        let error = soon("the end", &mut pod.running).await.unwrap().unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
}

/// Sends requests one after the other until it is told to stop; how many, and the first that wasn't answered well.
pub async fn steady(addr: std::net::SocketAddr, stop: watch::Receiver<bool>) -> (u32, Option<String>) {
    let mut sender = client::http1(addr).await.unwrap();
    let mut sent = 0;
    while !*stop.borrow() {
        sent += 1;
        let failed = |what: String| (sent, Some(what));
        if let Err(error) = sender.ready().await {
            return failed(format!("{error:?}"));
        }
        match soon("an answer", sender.send_request(client::request("/"))).await {
            Ok(response) if response.status() == 200 => drop(client::text(response).await),
            Ok(response) => return failed(format!("{} {:?}", response.status(), response.headers())),
            Err(error) => return failed(format!("{error:?}")),
        }
    }
    (sent, None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_everything_changes() {
    let script = Script::start().await;
    script.set_lifetime(Duration::from_secs(6));
    for pod in ["one", "two", "caller"] {
        script.set_policy(pod, allow(&[&id("caller")]));
    }
    let one = Pod::start(&script, "one", &[8080], &[]).await;
    let two = Pod::start(&script, "two", &[8080], &[]).await;
    let caller = Pod::start(&script, "caller", &[], &[VIP]).await;
    app::http((one.app, 8080).into(), "one").await;
    app::http((two.app, 8080).into(), "two").await;
    let both = [one.endpoint(8080), two.endpoint(8080)];
    let weighted = |weights: (u32, u32), root: &[isthmus_core::destination::Endpoint]| {
        let backends = vec![(backend("one", 80, &both[..1]), weights.0), (backend("two", 80, &both[1..]), weights.1)];
        service(root, Some(split(None, backends)))
    };
    script.set_destination(VIP.0, VIP.1, weighted((1, 1), &both));
    let (stop, stopped) = watch::channel(false);
    let load: Vec<_> = (0..20).map(|_| tokio::spawn(steady(caller.call(0), stopped.clone()))).collect();
    let key = isthmus_api::encode::destination_key(&isthmus_core::destination::DestinationKey {
        host: VIP.0.into(),
        port: VIP.1,
    });
    for n in 0..50_u32 {
        let next = match n % 5 {
            0 => service(&both[..1], None),
            1 => service(&both[1..], None),
            _ => weighted((n % 7, 7 - n % 7), &both),
        };
        script.set_destination(VIP.0, VIP.1, next);
        script.acknowledged("caller", &key).await;
        if n % 20 == 10 {
            script.stop();
            script.resume().await;
            eventually("back", async || caller.metric("isthmus_control_connected").await == 1.0).await;
        }
    }
    let renewals = "isthmus_certificate_requests_total{outcome=\"ok\"}";
    eventually("certificates were renewed meanwhile", async || caller.metric(renewals).await >= 2.0).await;
    stop.send(true).unwrap();
    for task in load {
        let (sent, failure) = task.await.unwrap();
        assert!(failure.is_none() && sent > 10, "{sent} {failure:?}");
    }
}
