//! A caller's and a callee's pod, each with redirect and sidecar as on a cluster.

use std::{
    net::{IpAddr, SocketAddr},
    sync::mpsc,
    time::Duration,
};

use isthmus_core::id::TrustDomain;
use isthmus_proxy::{
    Config, SOCKET_MARK,
    redirect::{self, RedirectArgs},
};
use tokio_util::sync::CancellationToken;

use crate::{
    namespace::{block_on, neighbour},
    support::{
        app,
        client::{self, Talk, field},
        control::{CONTROLLER, Script},
        eventually,
        mesh::{allow, id, service},
    },
};

pub const CASES: &[(&str, fn())] = &[("a_request_through_two_redirects", two_pods)];

const CALLER: &str = "10.9.0.2";
const CALLEE: &str = "10.9.0.3";
const VIP: &str = "10.43.1.1";
const CALLER6: &str = "fd09::2";
const CALLEE6: &str = "fd09::3";
const VIP6: &str = "fd43::1";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What `isthmus redirect` and the sidecar do in a pod. Here the application has the sidecar's user, so the mark tells them apart.
async fn sidecar(name: &str, addr: IpAddr, control: SocketAddr, roots: &str) -> tempfile::NamedTempFile {
    let skip_inbound_ports = vec![15010, 15020];
    let args =
        RedirectArgs { proxy_uid: None, proxy_mark: Some(SOCKET_MARK), skip_inbound_ports, ..RedirectArgs::default() };
    redirect::run(&args).unwrap();
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), format!("shop/{name}")).unwrap();
    let domain = TrustDomain::new("isthmus.local").unwrap();
    let mut config = Config::new(control.to_string(), CONTROLLER.parse().unwrap(), domain);
    config.trust_bundle = roots.into();
    config.token_file = token.path().into();
    config.namespace = "shop".into();
    config.pod = name.into();
    config.pod_ips = vec![addr];
    config.socket_mark = Some(SOCKET_MARK);
    tokio::spawn(isthmus_proxy::run(config, CancellationToken::new()));
    let ready = async || client::get((addr, 15020).into(), "/ready").await.is_ok_and(|r| r.status() == 200);
    eventually("ready", ready).await;
    token
}

fn two_pods() {
    // The callee learns the roots; the caller learns when it is up; the callee ends with the case.
    let (roots, learnt) = mpsc::channel::<String>();
    let (up, is_up) = mpsc::channel();
    let (done, is_done) = mpsc::channel::<()>();
    let control: SocketAddr = (ip(CALLER), 15010).into();
    let callee = neighbour([ip(CALLER), ip(CALLER6)], [ip(CALLEE), ip(CALLEE6)], move || {
        let roots = learnt.recv().unwrap();
        block_on(async {
            app::http((ip(CALLEE), 8080).into(), "app").await;
            app::http((ip(CALLEE6), 8080).into(), "app6").await;
            app::greeter((ip(CALLEE), 3306).into(), "welcome\n").await;
            let _token = sidecar("callee", ip(CALLEE), control, &roots).await;
            up.send(()).unwrap();
            tokio::task::spawn_blocking(move || is_done.recv()).await.unwrap().unwrap_err();
        });
    });
    block_on(async {
        let script = Script::start_at(control).await;
        script.set_policy("caller", allow(&[&id("caller")]));
        script.set_policy("callee", allow(&[&id("caller")]));
        roots.send(script.authority.bundle(1).to_pem()).unwrap();
        let _token = sidecar("caller", ip(CALLER), control, &script.authority.bundle(1).to_pem()).await;
        tokio::task::spawn_blocking(move || is_up.recv_timeout(Duration::from_secs(20))).await.unwrap().unwrap();
        case(&script).await;
    });
    drop(done);
    callee.join().unwrap();
}

async fn case(script: &Script) {
    let endpoint =
        |port| isthmus_core::destination::Endpoint::local((ip(CALLEE), port).into(), Some(id("callee")), "shop/callee");
    script.set_destination(VIP, 80, service(&[endpoint(8080)], None));
    script.set_destination(VIP, 3306, service(&[endpoint(3306)], None));
    let vip = |port| SocketAddr::new(ip(VIP), port);
    // HTTP by the Service's address, with the caller's identity seen by the callee.
    let seen = client::text(client::get(vip(80), "/headers").await.unwrap()).await;
    assert!(seen.contains("x-isthmus-client-id: spiffe://isthmus.local/ns/shop/sa/caller"), "{seen}");
    // The same by IPv6.
    let endpoint6 = isthmus_core::destination::Endpoint { addr: (ip(CALLEE6), 8080).into(), ..endpoint(8080) };
    script.set_destination(VIP6, 80, service(&[endpoint6], None));
    let seen = client::text(client::get((ip(VIP6), 80).into(), "/").await.unwrap()).await;
    assert_eq!(seen, "app6");
    // A server that speaks first.
    let mut talk = Talk::open(vip(3306)).await;
    assert_eq!(talk.line().await, "welcome");
    assert_eq!(talk.ask("hello").await, "hello");
    // The pod's own address, unknown to the controller, goes through as plaintext and is refused by the callee's sidecar.
    let plain = client::get((ip(CALLEE), 8080).into(), "/").await.unwrap();
    assert_eq!((plain.status().as_u16(), field(&plain, "x-isthmus-deny")), (403, "no-identity".into()));
    // The proxy's own ports serve nobody from outside.
    for port in [15001, 15006] {
        let words = "CONNECT 10.9.0.3:8080 HTTP/1.1\r\n\r";
        assert!(Talk::is_refused((ip(CALLEE), port).into(), words).await, "port {port}");
    }
    // The caller's own explicit proxy port works by loopback.
    let request = http::Request::get(format!("http://{VIP}/")).body(Default::default()).unwrap();
    let response = client::send("127.0.0.1:15001".parse().unwrap(), request).await.unwrap();
    assert_eq!(client::text(response).await, "app");
    // The pod calls a Service that it is itself an endpoint of.
    app::http((ip(CALLER), 8081).into(), "myself").await;
    let own = isthmus_core::destination::Endpoint::local((ip(CALLER), 8081).into(), Some(id("caller")), "shop/caller");
    script.set_destination("10.43.1.2", 80, service(&[own], None));
    let seen = client::text(client::get("10.43.1.2:80".parse().unwrap(), "/headers").await.unwrap()).await;
    assert!(seen.contains("x-isthmus-client-id: spiffe://isthmus.local/ns/shop/sa/caller"), "{seen}");
}
