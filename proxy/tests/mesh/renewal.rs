//! Certificates that change, and certificates that can't be had: who goes on, who is refused, and who is told.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use http::StatusCode;
use isthmus_api::encode::bundles_key;
use isthmus_core::destination::{Destination, ProtocolHint};
use isthmus_identity::{Authority, MeshTls, RootId, SvidCell, TrustStore};
use tokio_util::sync::CancellationToken;

use crate::support::{
    app,
    client::{self, Talk, field},
    control::{Script, bundle_of, svid},
    eventually,
    mesh::{Pod, Spec, allow, id, service},
};

const H1: &str = "isthmus-http/1.1";
const HTTP: (&str, u16) = ("10.43.7.1", 80);
const TCP: (&str, u16) = ("10.43.7.2", 80);
const FRESH: (&str, u16) = ("10.43.7.3", 80);
const FAILED: &str = "isthmus_certificate_requests_total{outcome=\"failed\"}";
const OK: &str = "isthmus_certificate_requests_total{outcome=\"ok\"}";

struct Pair {
    script: Script,
    caller: Pod,
    callee: Pod,
}

impl Pair {
    async fn start(lifetime: Option<Duration>) -> Self {
        let script = Script::start().await;
        if let Some(lifetime) = lifetime {
            script.set_lifetime(lifetime);
        }
        for pod in ["caller", "callee"] {
            script.set_policy(pod, allow(&[&id("caller")]));
        }
        let (caller, callee) = tokio::join!(
            Pod::start(&script, "caller", &[8080], &[HTTP, TCP, FRESH]),
            Pod::start(&script, "callee", &[8080, 9090, 8081], &[]),
        );
        for port in [8080, 8081] {
            app::http((callee.app, port).into(), "callee").await;
        }
        app::echo((callee.app, 9090).into()).await;
        script.set_destination(HTTP.0, HTTP.1, service(&[callee.endpoint(8080)], None));
        script.set_destination(TCP.0, TCP.1, opaque(&callee));
        script.set_destination(FRESH.0, FRESH.1, service(&[callee.endpoint(8081)], None));
        Self { script, caller, callee }
    }

    /// A root's worth of bundle, held by both.
    async fn publish(&self, roots: &[&Authority], sequence: u64) {
        self.script.set_bundles(vec![bundle_of(roots, sequence)]);
        for pod in ["caller", "callee"] {
            self.script.acknowledged(pod, &bundles_key()).await;
        }
    }

    /// A new connection with a leaf of this root.
    async fn lets_in(&self, signer: &Authority, trusted: &[&Authority]) -> bool {
        let cell = SvidCell::new();
        cell.set(svid(signer, id("caller").as_str()));
        let mut roots = signer.bundle(1);
        roots.roots = trusted.iter().map(|authority| authority.certificate().clone()).collect();
        let tls = MeshTls::new(Arc::new(TrustStore::with(&[roots]).unwrap()), Arc::new(cell));
        match client::mesh_tls((self.callee.ip, 8080).into(), &tls, H1, &self.callee.id).await {
            Ok(stream) => client::get_over(stream, "/").await.is_ok_and(|answer| answer.status() == 200),
            Err(_) => false,
        }
    }
}

fn opaque(callee: &Pod) -> Destination {
    let Destination::Service(mut route) = service(&[callee.endpoint(9090)], None) else { unreachable!() };
    route.protocol = ProtocolHint::Opaque;
    Destination::Service(route)
}

/// Requests on a kept connection, and TCP connections, each with a handshake of its own: all the time.
struct Load {
    stop: CancellationToken,
    done: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<Vec<String>>,
}

impl Load {
    fn start(caller: &Pod) -> Self {
        let (stop, done) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
        let (http, tcp) = (caller.call(0), caller.call(1));
        let (stopped, count) = (stop.clone(), Arc::clone(&done));
        let task = tokio::spawn(async move {
            let mut failures = Vec::new();
            let mut kept = client::http1(http).await.unwrap();
            while !stopped.is_cancelled() {
                let answer = kept.send_request(client::request("/")).await;
                match answer {
                    Ok(answer) if answer.status() == 200 => assert_eq!(client::text(answer).await, "callee"),
                    Ok(answer) => failures.push(format!("{} {}", answer.status(), field(&answer, "x-isthmus-error"))),
                    Err(error) => failures.push(error.to_string()),
                }
                if kept.ready().await.is_err() {
                    failures.push("the kept connection was closed".into());
                    kept = client::http1(http).await.unwrap();
                }
                let said = echo(tcp).await;
                if said != "hello" {
                    failures.push(format!("TCP: {said:?}"));
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
            failures
        });
        Self { stop, done, task }
    }

    /// Waits for so many more rounds.
    async fn rounds(&self, more: usize) {
        let target = self.done.load(Ordering::Relaxed) + more;
        eventually("the load goes on", async || self.done.load(Ordering::Relaxed) >= target || self.task.is_finished())
            .await;
    }

    async fn failures(self) -> Vec<String> {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}

async fn echo(addr: SocketAddr) -> String {
    Talk::open(addr).await.ask("hello").await
}

#[tokio::test]
async fn a_root_is_replaced_under_load_without_a_failed_request() {
    // Turning to another root is spread over a hundredth of a leaf's life.
    let pair = Pair::start(Some(Duration::from_mins(5))).await;
    let old = Arc::clone(&pair.script.authority);
    let domain = old.trust_domain().clone();
    let new = Arc::new(Authority::generate(domain, SystemTime::now(), Duration::from_secs(86_400)).unwrap());
    let load = Load::start(&pair.caller);
    load.rounds(20).await;
    eventually("the leaf's root is told", async || {
        pair.script.root_of("caller").as_deref() == Some(old.root().as_bytes())
    })
    .await;

    pair.publish(&[&old, &new], 2).await;
    assert!(pair.lets_in(&old, &[&old]).await && pair.lets_in(&new, &[&old]).await);
    assert_eq!(pair.caller.metric(OK).await, 1.0);
    load.rounds(20).await;

    pair.script.set_signer(&new);
    pair.publish(&[&new, &old], 3).await;
    for pod in ["caller", "callee"] {
        let turned = Some(new.root()).map(|root: RootId| root.as_bytes().to_vec());
        eventually("the leaf stands on the new root", async || pair.script.root_of(pod) == turned).await;
    }
    load.rounds(20).await;

    pair.publish(&[&new], 4).await;
    load.rounds(20).await;
    assert!(pair.lets_in(&new, &[&new]).await);
    assert!(!pair.lets_in(&old, &[&new]).await);
    // Nothing was renewed but for the turn.
    assert_eq!((pair.caller.metric(OK).await, pair.callee.metric(OK).await), (2.0, 2.0));
    assert_eq!(load.failures().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_overtaken_bundle_is_refused_and_the_newer_one_stays() {
    let pair = Pair::start(None).await;
    let old = Arc::clone(&pair.script.authority);
    let domain = old.trust_domain().clone();
    let new = Authority::generate(domain, SystemTime::now(), Duration::from_secs(86_400)).unwrap();
    pair.publish(&[&old, &new], 5).await;
    pair.script.set_bundles(vec![bundle_of(&[&old], 4)]);
    eventually("a refusal", async || !pair.script.refusals("callee").is_empty()).await;
    let reason = &pair.script.refusals("callee")[0].reason;
    assert!(reason.contains("sequence 4, but 5 is held"), "{reason}");
    assert!(pair.lets_in(&new, &[&old]).await);
}

#[tokio::test]
async fn leaves_of_seconds_are_rotated_under_load_without_a_failed_request() {
    // A third of that is left when the next is asked for: a slow machine must have it by then.
    let pair = Pair::start(Some(Duration::from_secs(8))).await;
    let load = Load::start(&pair.caller);
    for pod in [&pair.caller, &pair.callee] {
        eventually("three leaves more", async || pod.metric(OK).await >= 4.0).await;
    }
    load.rounds(5).await;
    assert_eq!(load.failures().await, Vec::<String>::new());
}

#[tokio::test]
async fn without_a_new_certificate_what_is_open_goes_on_and_what_is_new_fails_with_a_name() {
    let pair = Pair::start(Some(Duration::from_secs(4))).await;
    app::http((pair.caller.app, 8080).into(), "caller").await;
    let mut kept = client::http1(pair.caller.call(0)).await.unwrap();
    let mut open = Talk::open(pair.caller.call(1)).await;
    assert_eq!(open.ask("before").await, "before");
    assert_eq!(kept.send_request(client::request("/")).await.unwrap().status(), 200);
    pair.script.set_silent(true);

    let fresh = async || client::get(pair.caller.call(2), "/fresh").await.unwrap();
    // The first failures are while the leaf is still good: they are counted before anybody is hurt.
    eventually("a failed renewal", async || {
        pair.caller.metric("isthmus_certificate_requests_total{outcome=\"failed\"}").await >= 1.0
    })
    .await;
    assert!(pair.caller.metric("isthmus_certificate_expiry_seconds").await > 0.0);
    eventually("the certificate is over", async || {
        pair.script.set_destination(FRESH.0, FRESH.1, service(&[pair.callee.endpoint(8081)], None));
        !Talk::try_ask(pair.caller.call(1), "hello").await.is_ok_and(|said| said == "hello")
    })
    .await;
    let refused = fresh().await;
    assert_eq!(
        (refused.status(), field(&refused, "x-isthmus-error")),
        (StatusCode::SERVICE_UNAVAILABLE, "certificate-expired".into())
    );
    assert!(pair.caller.metric("isthmus_upstream_faults_total{code=\"certificate-expired\"}").await >= 1.0);
    // Open connections go on; so does the sidecar's own rule for plaintext, and it stays ready for both.
    assert_eq!(open.ask("after").await, "after");
    kept.ready().await.unwrap();
    assert_eq!(kept.send_request(client::request("/")).await.unwrap().status(), 200);
    let plain = client::get((pair.caller.ip, 8080).into(), "/").await.unwrap();
    assert_eq!((plain.status(), field(&plain, "x-isthmus-deny")), (StatusCode::FORBIDDEN, "no-identity".into()));
    assert_eq!(client::get(pair.caller.admin, "/ready").await.unwrap().status(), 200);

    // It comes back by itself, even when it is over for those too who round the second up.
    let over = pair.caller.metric("isthmus_certificate_expiry_seconds").await + 2.0;
    eventually("it is over for everybody", async || {
        SystemTime::now() > SystemTime::UNIX_EPOCH + Duration::from_secs_f64(over)
    })
    .await;
    pair.script.set_silent(false);
    eventually("a new certificate", async || fresh().await.status() == 200).await;
    assert_eq!(echo(pair.caller.call(1)).await, "hello");
}

#[tokio::test]
async fn a_controller_that_comes_back_is_asked_at_once() {
    let pair = Pair::start(Some(Duration::from_secs(12))).await;
    pair.script.stop();
    eventually("failed renewals, and longer pauses", async || pair.caller.metric(FAILED).await >= 4.0).await;
    let renewed = pair.caller.metric(OK).await;
    pair.script.resume().await;
    eventually("a session", async || pair.caller.metric("isthmus_control_connected").await == 1.0).await;
    eventually("a renewal", async || pair.caller.metric(OK).await > renewed).await;
}

#[tokio::test]
async fn a_clock_that_is_behind_the_controllers_is_measured() {
    let script = Script::start().await;
    script.set_skew(600);
    script.set_policy("behind", allow(&[&id("caller")]));
    let pod = Pod::start(&script, "behind", &[8080], &[]).await;
    let skew = pod.metric("isthmus_clock_skew_seconds").await;
    assert!((590.0..=600.0).contains(&skew), "{skew}");
    // Peers whose clock is like this one's can't take the leaf yet, and say why.
    let tls = script.tls(id("caller").as_str());
    let refused = client::mesh_tls((pod.ip, 8080).into(), &tls, H1, &pod.id).await.unwrap_err().to_string();
    assert!(refused.contains("ahead of this clock: set the clocks of both nodes by NTP"), "{refused}");
}

#[tokio::test]
async fn a_certificate_that_is_over_by_this_clock_makes_no_storm_and_no_readiness() {
    let script = Script::start().await;
    script.set_skew(-2 * 3600);
    script.set_policy("ahead", allow(&[&id("caller")]));
    let pod = Pod::launch(&script, Spec { name: "ahead", ports: &[8080], calls: &[], edit: |_| {} });
    eventually("the admin server", async || client::get(pod.admin, "/live").await.is_ok()).await;
    let body = async || client::text(client::get(pod.admin, "/metrics").await.unwrap()).await;
    eventually("a failure", async || body().await.contains(FAILED)).await;
    let begun = std::time::Instant::now();
    eventually("a third try", async || pod.metric(FAILED).await >= 3.0).await;
    // Doubling pauses from a tenth of a second, halved by jitter at most.
    let tries = pod.metric(FAILED).await;
    let allowed = 3.0 + (begun.elapsed().as_secs_f64() / 0.05).log2().max(0.0) + 2.0;
    assert!(tries <= allowed, "{tries} tries in {:?}", begun.elapsed());
    assert_eq!(client::get(pod.admin, "/ready").await.unwrap().status(), 503);
    script.set_skew(0);
    pod.ready().await;
}

#[tokio::test]
async fn readiness_takes_identity_and_policy() {
    let script = Script::start().await;
    let pod = Pod::launch(&script, Spec { name: "waiting", ports: &[8080], calls: &[], edit: |_| {} });
    eventually("the admin server", async || client::get(pod.admin, "/live").await.is_ok()).await;
    eventually("a session", async || pod.metric("isthmus_control_connected").await == 1.0).await;
    let answer = client::get(pod.admin, "/ready").await.unwrap();
    assert_eq!(answer.status(), 503);
    let why = client::text(answer).await;
    assert!(why.contains("policy") && !why.contains("identity"), "{why}");
    script.set_policy("waiting", allow(&[&id("caller")]));
    pod.ready().await;
}
