//! Proxies that are slow, and many at once.

use tokio::sync::Semaphore;

use super::*;
use crate::serve::tokens::Speaker;

/// An API server that answers when there is a permit for it.
struct SlowTokens {
    permits: Arc<Semaphore>,
    asked: mpsc::UnboundedSender<()>,
}

impl Tokens for SlowTokens {
    async fn review(&self, token: String) -> Result<Speaker, TokenError> {
        self.asked.send(()).unwrap();
        self.permits.acquire().await.unwrap().forget();
        FakeTokens.review(token).await
    }
}

fn split(weight: u32) -> Update {
    let split =
        object("TrafficSplit", "s", json!({"service": "web", "backends": [{"service": "web", "weight": weight}]}));
    applied(with(split, "/metadata/generation", json!(weight)))
}

/// The weight in a message, if there is a split in it.
fn weight(message: &ControllerMessage) -> Option<u32> {
    let Some(Content::Destination(destination)) = &message.content else { return None };
    let Some(proto::destination::Kind::Service(route)) = &destination.kind else { return None };
    Some(route.split.as_ref()?.backends[0].weight)
}

#[tokio::test]
async fn a_proxy_that_reads_nothing_holds_nobody_up_and_gets_the_newest_when_it_reads() {
    const CHANGES: u32 = 200;
    let more = (2..4).map(|i| pod(&format!("web-{i}"), "web", &format!("10.42.0.1{i}")));
    let server = serve(shop().into_iter().chain(more)).await.synced().await;
    let mut slow = server.proxy("web", "web-2").await;
    slow.subscribe(web_key()).await;
    let mut quick = server.proxy("web", "web-3").await;
    quick.subscribe(web_key()).await;
    let first = quick.hear().await.unwrap();
    quick.ack(&first).await;
    for change in 1..=CHANGES {
        server.updates.send(split(change)).await.unwrap();
        while weight(&quick.hear_and_ack().await) != Some(change) {}
    }
    // What it was sent before it fell behind, one that may have been made on the way, and the newest.
    let mut heard = 0;
    while weight(&slow.hear_and_ack().await) != Some(CHANGES) {
        heard += 1;
        assert!(heard < 4, "it must hear of few of the {CHANGES} changes that it has missed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_proxies_that_dial_at_once_all_get_what_they_ask_for_and_it_is_made_once() {
    const PROXIES: usize = 200;
    let address = |i: usize| format!("10.42.1.{i}");
    let pods = (0..PROXIES).map(|i| pod(&format!("many-{i}"), "web", &address(i)));
    let server = Arc::new(serve(shop().into_iter().chain(pods)).await.synced().await);
    server.hub.with(|registry| registry.take_work());
    let mut storm = tokio::task::JoinSet::new();
    for i in 0..PROXIES {
        let server = server.clone();
        storm.spawn(async move {
            let mut proxy = server.proxy("web", &format!("many-{i}")).await;
            for key in [encode::bundles_key(), encode::inbound_key(), web_key()] {
                proxy.subscribe(key).await;
            }
            for _ in 0..3 {
                proxy.hear_and_ack().await;
            }
            proxy
        });
    }
    let proxies = storm.join_all().await;
    assert_eq!(server.hub.with(|registry| registry.session_count()), proxies.len());
    // Each has an inbound policy of its own; the roots and the destination are shared.
    let text = prometheus::TextEncoder::new().encode_to_string(&server.metrics.gather()).unwrap();
    let encoded = format!("isthmus_controller_encodings_total {}", PROXIES + 2);
    assert!(text.contains(&encoded), "{encoded} isn't in {text}");
}

#[tokio::test]
async fn certificates_are_signed_so_many_at_a_time_and_the_others_come_back() {
    const AT_A_TIME: usize = 64;
    let pods = (0..=AT_A_TIME).map(|i| pod(&format!("many-{i}"), "web", &format!("10.42.1.{i}")));
    let permits = Arc::new(Semaphore::new(0));
    let (asked, mut asking) = mpsc::unbounded_channel();
    let server = serve_with(pods, SlowTokens { permits: permits.clone(), asked }).await.synced().await;
    let client = IdentityClient::new(server.channel(None).await.unwrap());
    let csr = Keypair::generate().unwrap().csr().unwrap();
    let certify = |i: usize| {
        let (mut client, csr) = (client.clone(), csr.clone());
        async move { client.certify(CertifyRequest { csr: csr.into(), token: format!("many-{i}") }).await }
    };
    let mut first: tokio::task::JoinSet<_> = (0..AT_A_TIME).map(certify).collect();
    for _ in 0..AT_A_TIME {
        tokio::time::timeout(Duration::from_secs(10), asking.recv()).await.unwrap();
    }
    let refused = certify(AT_A_TIME).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    // One that goes makes room, whether or not it was answered.
    first.abort_all();
    while first.join_next().await.is_some() {}
    // Some of those that went may still take one.
    permits.add_permits(AT_A_TIME * 2);
    let back = async {
        while certify(AT_A_TIME).await.is_err_and(|status| status.code() == Code::ResourceExhausted) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), back).await.unwrap();
}
