//! The controller against a Kubernetes API: what `kubectl` would write goes in, what proxies get and what users read
//! comes out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

mod federation;
mod proxy;
mod rotation;
mod telemetry;
mod world;

use std::time::Duration;

use isthmus_api::{control::v1::controller_message::Content, decode, encode};
use isthmus_core::destination::{Destination, DestinationKey};
use isthmus_k8s::{access::TrafficTarget, split::TrafficSplit};
use isthmus_smi_controller::install;
use k8s_openapi::{
    api::{
        admissionregistration::v1::ValidatingWebhookConfiguration,
        core::v1::{Event, Pod, Secret},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::{Value, json};

use world::{World, pod, service, slice};

fn split(weight: u32) -> Value {
    json!({
        "apiVersion": "split.smi-spec.io/v1alpha4", "kind": "TrafficSplit",
        "metadata": {"name": "s", "namespace": "shop"},
        "spec": {"service": "web", "backends": [{"service": "blue", "weight": weight}, {"service": "gone", "weight": 1}]}
    })
}

/// `status/reason/message` of a condition.
fn condition(split: &TrafficSplit, kind: &str) -> String {
    let generation = split.metadata.generation;
    let found = split.status.as_ref().and_then(|status| status.conditions.iter().find(|c| c.type_ == kind));
    let found = found.filter(|condition| condition.observed_generation == generation);
    found.map(|c| format!("{}/{}/{}", c.status, c.reason, c.message)).unwrap_or_default()
}

pub(crate) async fn shop(world: &World) {
    world.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).await;
    for (name, ip) in [("web", "10.42.0.10"), ("blue", "10.42.0.11")] {
        let account =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "shop"}});
        world.apply(account).await;
        world.apply(service(name)).await;
        world.apply(slice("shop", name, &format!("{name}-1"), ip, 8080)).await;
        world.apply(pod(&format!("{name}-1"), name)).await;
        world.set_pod_ip(&format!("{name}-1"), ip).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_reaches_the_proxies_and_its_status_tells() {
    let mut world = World::start().await;
    shop(&world).await;
    let mut proxy = world.proxy("web-1", "web").await;
    let address = world.cluster_ip("web").await;
    let key = encode::destination_key(&DestinationKey { host: address.as_str().into(), port: 80 });
    proxy.subscribe(key.clone(), "").await;
    let message = proxy.hear().await;
    assert!(matches!(message.content, Some(Content::Destination(_))));
    proxy.ack(&message).await;

    world.apply(split(90)).await;
    let message = proxy.hear().await;
    let Some(Content::Destination(destination)) = message.content.clone() else { panic!("{message:?}") };
    let Destination::Service(route) = decode::destination(destination).unwrap() else { panic!() };
    let (blue, weight) = &route.split.as_ref().unwrap().backends[0];
    assert_eq!((blue.service.name.as_ref(), *weight), ("blue", 90));
    assert_eq!(blue.endpoints[0].addr.to_string(), "10.42.0.11:8080");
    assert_eq!(blue.endpoints[0].identity.as_ref().unwrap().as_str(), "spiffe://isthmus.local/ns/shop/sa/blue");

    let splits: Api<TrafficSplit> = Api::namespaced(world.client.clone(), "shop");
    world
        .until("the status speaks of a proxy that is behind", async || {
            condition(&splits.get("s").await.unwrap(), "Programmed")
                == "False/Pending/0/1 proxies; waiting for the proxy of shop/web-1"
        })
        .await;
    proxy.ack(&message).await;
    world
        .until("the acknowledged split is programmed", async || {
            condition(&splits.get("s").await.unwrap(), "Programmed") == "True/Programmed/1/1 proxies"
        })
        .await;
    let split = splits.get("s").await.unwrap();
    assert_eq!(condition(&split, "Accepted"), "True/Accepted/the object is well formed");
    assert!(condition(&split, "ResolvedRefs").starts_with("False/BackendNotFound/backend gone: there is no Service"));
    let events: Api<Event> = Api::namespaced(world.client.clone(), "shop");
    let fields = format!("involvedObject.name=s,involvedObject.uid={}", split.uid().unwrap());
    world
        .until("the fault is an Event of the split", async || {
            let found = events.list(&ListParams::default().fields(&fields)).await.unwrap();
            found.iter().filter(|event| event.reason.as_deref() == Some("BackendNotFound")).count() == 1
        })
        .await;

    // A controller that comes back finds proxies that have everything already, and says so.
    world.restart().await;
    let mut proxy = world.proxy("web-1", "web").await;
    proxy.subscribe(key, &message.version).await;
    let again = proxy.hear().await;
    assert!(matches!(again.content, Some(Content::Unchanged(_))) && again.version == message.version);
    world
        .until("what is held is in effect", async || {
            condition(&splits.get("s").await.unwrap(), "Programmed") == "True/Programmed/1/1 proxies"
        })
        .await;
    let found = events.list(&ListParams::default().fields(&fields)).await.unwrap();
    assert_eq!(found.items.len(), 1, "a fault is raised once, whoever raises it");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_are_injected_where_the_mesh_was_asked_for_and_bad_objects_are_refused() {
    let mut world = World::start().await;
    let namespace = |name: &str, labels: Value| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    world.apply(namespace("meshed", json!({"isthmus.mesh/inject": "enabled"}))).await;
    world.apply(namespace("plain", json!({}))).await;
    let made = async |namespace: &str, metadata: Value| {
        let pods: Api<Pod> = Api::namespaced(world.client.clone(), namespace);
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {"containers": [{"name": "app", "image": "local/true"}]}});
        let created = pods.create(&Default::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
        created.spec.unwrap().init_containers.unwrap_or_default().iter().any(|c| c.name == "isthmus-proxy")
    };
    let injected =
        async |namespace: &str, labels: Value| made(namespace, json!({"generateName": "p-", "labels": labels})).await;
    assert!(injected("meshed", json!({})).await);
    assert!(!injected("meshed", json!({"isthmus.mesh/inject": "disabled"})).await);
    assert!(!injected("plain", json!({})).await);
    assert!(injected("plain", json!({"isthmus.mesh/inject": "enabled"})).await);
    let annotated = async |namespace: &str, value: &str| {
        made(namespace, json!({"generateName": "p-", "annotations": {"isthmus.mesh/inject": value}})).await
    };
    assert!(annotated("plain", "enabled").await);
    assert!(!annotated("meshed", "disabled").await);
    let strict = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "plain", "annotations": {"isthmus.mesh/policy-mode": "strict"}}});
    let error = world.try_apply(strict).await.unwrap_err().to_string();
    assert!(error.contains("isthmus.mesh/policy-mode") && error.contains("permissive"), "{error}");

    let target = |destination: &str| {
        let account = |namespace: &str| json!({"kind": "ServiceAccount", "name": "default", "namespace": namespace});
        json!({"apiVersion": "access.smi-spec.io/v1alpha3", "kind": "TrafficTarget", "metadata": {"name": "t", "namespace": "plain"},
            "spec": {"destination": account(destination), "sources": [account("meshed")], "rules": [{"kind": "TCPRoute", "name": "all"}]}})
    };
    let error = world.try_apply(target("meshed")).await.unwrap_err().to_string();
    assert!(error.contains("NamespaceMismatch") && error.contains("spec.destination.namespace"), "{error}");
    world.apply(target("plain")).await;
    let targets: Api<TrafficTarget> = Api::namespaced(world.client.clone(), "plain");
    world
        .until("a target that nothing uses is programmed, and its missing route is told", async || {
            let status = targets.get("t").await.unwrap().status.unwrap_or_default();
            let read =
                |kind: &str| status.condition(kind).map(|c| (c.status.clone(), c.reason.clone())).unwrap_or_default();
            read("Programmed") == ("True".into(), "Unused".into())
                && read("ResolvedRefs") == ("False".into(), "RouteNotFound".into())
        })
        .await;

    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), "isthmus-system");
    let root = secrets.get("isthmus-ca").await.unwrap().data.unwrap()["tls.crt"].clone();
    world.restart().await;
    assert_eq!(secrets.get("isthmus-ca").await.unwrap().data.unwrap()["tls.crt"], root, "the root stays");
    tokio::time::timeout(Duration::from_secs(30), world.stop()).await.unwrap();
}

/// Under definitions laxer than ours, such as others have published, objects may be stored that can't be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_object_beside_good_ones_changes_nothing_for_them_and_shows_its_fault() {
    let mut world = World::start().await;
    shop(&world).await;
    let mut proxy = world.proxy("web-1", "web").await;
    let address = world.cluster_ip("web").await;
    proxy.subscribe(encode::destination_key(&DestinationKey { host: address.as_str().into(), port: 80 }), "").await;
    let message = proxy.hear().await;
    proxy.ack(&message).await;
    world.apply(split(90)).await;
    let message = proxy.hear().await;
    proxy.ack(&message).await;

    let definitions: Api<CustomResourceDefinition> = Api::all(world.client.clone());
    let mut lax = definitions.get("trafficsplits.split.smi-spec.io").await.unwrap();
    for version in &mut lax.spec.versions {
        let schema = version.schema.as_mut().unwrap().open_api_v3_schema.as_mut().unwrap();
        let spec = schema.properties.as_mut().unwrap().get_mut("spec").unwrap();
        *spec =
            serde_json::from_value(json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})).unwrap();
    }
    definitions.replace("trafficsplits.split.smi-spec.io", &Default::default(), &lax).await.unwrap();
    let validators: Api<ValidatingWebhookConfiguration> = Api::all(world.client.clone());
    validators.delete(install::VALIDATOR, &Default::default()).await.unwrap();
    let mut bad = split(1);
    bad["metadata"]["name"] = json!("bad");
    bad["spec"] = json!({"service": "web", "backends": "all of them"});
    let splits: Api<TrafficSplit> = Api::namespaced(world.client.clone(), "shop");
    world
        .until("the laxer definition takes the malformed object", async || world.try_apply(bad.clone()).await.is_ok())
        .await;
    let events: Api<Event> = Api::namespaced(world.client.clone(), "shop");
    world
        .until("the malformed object shows its fault", async || {
            let found = events.list(&ListParams::default().fields("involvedObject.name=bad")).await.unwrap();
            found.iter().any(|event| event.reason.as_deref() == Some("Malformed"))
        })
        .await;

    world.apply(split(10)).await;
    let message = proxy.hear().await;
    let Some(Content::Destination(destination)) = message.content.clone() else { panic!("{message:?}") };
    let Destination::Service(route) = decode::destination(destination).unwrap() else { panic!() };
    assert_eq!(route.split.unwrap().backends[0].1, 10);
    proxy.ack(&message).await;
    world
        .until("the good split goes on", async || {
            condition(&splits.get("s").await.unwrap(), "Programmed") == "True/Programmed/1/1 proxies"
        })
        .await;
    world.stop().await;
}
