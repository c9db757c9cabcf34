//! The mesh's root is replaced: what proxies hear, what users read, and what holds it.

use std::{sync::Arc, time::Duration};

use isthmus_api::{
    control::v1::{Bundle as Message, ControllerMessage, controller_message::Content},
    encode,
};
use isthmus_identity::{Authority, MeshTls, RootId, TrustStore};
use k8s_openapi::{
    ByteString,
    api::{
        admissionregistration::v1::ValidatingWebhookConfiguration,
        core::v1::{ConfigMap, Event, Secret},
    },
};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    proxy::Proxy,
    shop,
    world::{World, pod},
};

impl World {
    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), "isthmus-system")
    }

    /// How far the rotation is.
    async fn rotation(&self) -> String {
        let secret = self.secrets().get("isthmus-trust").await.unwrap();
        secret.annotations().get("isthmus.mesh/rotation").cloned().unwrap_or_default()
    }

    async fn ask_for_a_new_root(&self) {
        let patch = json!({"metadata": {"annotations": {"isthmus.mesh/rotate-root": "now"}}});
        self.secrets().patch("isthmus-ca", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// The root that signs for a pod now.
    async fn signer(&self, pod: &str, account: &str) -> RootId {
        let cell = self.certify(pod, account).await;
        let tls = MeshTls::new(Arc::new(TrustStore::with(&[self.roots().await]).unwrap()), cell);
        tls.own_root().unwrap().0
    }

    async fn reasons(&self) -> Vec<String> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), "isthmus-system");
        let found = events.list(&Default::default()).await.unwrap();
        let of_secret = found.into_iter().filter(|e| e.involved_object.name.as_deref() == Some("isthmus-ca"));
        of_secret.filter_map(|event| event.reason).collect()
    }

    async fn follower(&self, pod: &str, account: &str) -> Proxy {
        let proxy = self.proxy(pod, account).await;
        proxy.subscribe(encode::bundles_key(), "").await;
        proxy
    }
}

fn bundle(message: &ControllerMessage) -> Message {
    let Some(Content::Bundles(bundles)) = &message.content else { panic!("{message:?}") };
    bundles.bundles[0].clone()
}

fn roots(message: &ControllerMessage) -> Vec<RootId> {
    bundle(message).roots.iter().map(|root| RootId::of(&root.to_vec().into())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_root_is_replaced_step_by_step_and_by_nothing_less_than_every_proxy() {
    let mut world = World::start().await;
    shop(&world).await;
    let mut web = world.follower("web-1", "web").await;
    let mut blue = world.follower("blue-1", "blue").await;
    let (first, to_blue) = (web.hear().await, blue.hear().await);
    let old = roots(&first)[0];
    for (proxy, message) in [(&web, &first), (&blue, &to_blue)] {
        proxy.ack(message).await;
        proxy.certified(old).await;
    }

    world.ask_for_a_new_root().await;
    let (to_web, to_blue) = (web.hear().await, blue.hear().await);
    let new = roots(&to_web)[1];
    assert_eq!((roots(&to_web), roots(&to_blue)), (vec![old, new], vec![old, new]));
    assert_eq!(bundle(&to_web).sequence, bundle(&first).sequence + 1);
    web.ack(&to_web).await;
    blue.refuse(&to_blue, "no thanks").await;
    world
        .until("the refusal shows", async || {
            let said = world.rotation().await;
            said.starts_with(&format!("Publishing root {new}: TrustPropagated 1/2"))
                && said.ends_with("the proxy of shop/blue-1 refused: no thanks")
        })
        .await;
    assert!(!world.secrets().get("isthmus-ca").await.unwrap().annotations().contains_key("isthmus.mesh/rotate-root"));
    assert_eq!(world.signer("web-1", "web").await, old);

    // A controller that starts in the middle goes on where it was, and waits for who isn't connected yet.
    world.restart().await;
    let mut web = world.follower("web-1", "web").await;
    let to_web = web.hear().await;
    assert_eq!(roots(&to_web), [old, new]);
    web.ack(&to_web).await;
    world
        .until("the absence shows", async || {
            let said = world.rotation().await;
            said.contains("TrustPropagated 1/2") && said.contains("1 absent, shop/blue-1 among them")
        })
        .await;
    assert_eq!(world.signer("web-1", "web").await, old);

    let mut blue = world.follower("blue-1", "blue").await;
    let to_blue = blue.hear().await;
    blue.ack(&to_blue).await;
    let (to_web, to_blue) = (web.hear().await, blue.hear().await);
    assert_eq!((roots(&to_web), roots(&to_blue)), (vec![new, old], vec![new, old]));
    assert_eq!(world.signer("web-1", "web").await, new);
    web.ack(&to_web).await;
    blue.ack(&to_blue).await;
    web.certified(new).await;
    blue.certified(old).await;
    world
        .until("one leaf has turned", async || {
            let said = world.rotation().await;
            said.starts_with(&format!("Turning to root {new}: LeavesTurned 1/2"))
                && said.ends_with("1 connected, shop/blue-1 among them")
        })
        .await;
    blue.certified(new).await;
    let last = web.hear().await;
    assert_eq!(roots(&last), [new]);
    assert_eq!(bundle(&last).sequence, bundle(&first).sequence + 3);
    world.until("it is over", async || world.rotation().await == format!("Steady: root {new}")).await;

    // The controller's own certificate has changed last; the API server trusts the new root; and users can read it all.
    world.certify("web-1", "web").await;
    let validators: Api<ValidatingWebhookConfiguration> = Api::all(world.client.clone());
    let pem = world.roots().await.to_pem();
    world
        .until("the webhook configurations have the new root alone", async || {
            let webhooks = validators.get(isthmus_smi_controller::install::VALIDATOR).await.unwrap().webhooks.unwrap();
            webhooks.iter().all(|w| w.client_config.ca_bundle.as_ref().is_some_and(|ca| ca.0 == pem.as_bytes()))
        })
        .await;
    let maps: Api<ConfigMap> = Api::namespaced(world.client.clone(), "isthmus-system");
    world
        .until("gateways and hubs that start now begin with the new root", async || {
            let data = maps.get_opt("isthmus-roots").await.unwrap().and_then(|map| map.data).unwrap_or_default();
            data.get("roots.pem") == Some(&pem)
        })
        .await;
    world
        .until("Events tell of each phase", async || {
            let reasons = world.reasons().await;
            ["RootPublished", "TrustPropagated", "RootRetired"].iter().all(|r| reasons.iter().any(|found| found == r))
        })
        .await;
    world.apply(pod("late-1", "web")).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_root_that_the_user_puts_in_is_taken_up_and_one_that_cannot_be_used_changes_nothing() {
    let mut world = World::start().await;
    let before = RootId::of(&world.roots().await.roots[0]);
    let put = async |certificate: String, key: String| {
        let data = [("tls.crt", certificate), ("tls.key", key)];
        let data: serde_json::Map<_, _> =
            data.into_iter().map(|(name, text)| (name.to_owned(), json!(ByteString(text.into_bytes())))).collect();
        let patch = json!({"data": data});
        world.secrets().patch("isthmus-ca", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    };
    let make = |domain: &str| {
        let domain = isthmus_core::id::TrustDomain::new(domain).unwrap();
        Authority::generate(domain, std::time::SystemTime::now(), Duration::from_secs(3600)).unwrap()
    };
    let foreign = make("elsewhere.example").to_pem();
    put(foreign.certificate, foreign.key.expose().to_owned()).await;
    world
        .until("the refusal is told", async || world.reasons().await.iter().any(|reason| reason == "RootRefused"))
        .await;
    assert_eq!(RootId::of(&world.roots().await.roots[0]), before);

    // No proxies: nobody to wait for. A state that somebody deletes is written again.
    let own = make("isthmus.local");
    let pem = own.to_pem();
    put(pem.certificate, pem.key.expose().to_owned()).await;
    world.until("it is rotated in", async || world.rotation().await == format!("Steady: root {}", own.root())).await;
    world.secrets().delete("isthmus-trust", &Default::default()).await.unwrap();
    world
        .until("the state is written again", async || world.secrets().get_opt("isthmus-trust").await.unwrap().is_some())
        .await;
    assert_eq!(RootId::of(&world.roots().await.roots[0]), own.root());

    // Whoever deletes the wanted root, or never had its Secret, has asked for no other.
    world.secrets().delete("isthmus-ca", &Default::default()).await.unwrap();
    world
        .until("the root is written again", async || world.secrets().get_opt("isthmus-ca").await.unwrap().is_some())
        .await;
    world.until("it is told of", async || world.rotation().await == format!("Steady: root {}", own.root())).await;
    let written = world.secrets().get("isthmus-ca").await.unwrap().data.unwrap()["tls.crt"].clone();
    assert_eq!(written.0, own.to_pem().certificate.into_bytes());

    // Asked while cert-manager keeps the Secret: it is cert-manager's to renew.
    let patch = json!({"metadata": {"annotations": {"cert-manager.io/certificate-name": "isthmus-ca"}}});
    world.secrets().patch("isthmus-ca", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    world.ask_for_a_new_root().await;
    world
        .until("it is declined", async || world.reasons().await.iter().any(|reason| reason == "RotationDeclined"))
        .await;
    assert_eq!(RootId::of(&world.roots().await.roots[0]), own.root());
    world.stop().await;
}
