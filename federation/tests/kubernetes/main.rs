//! What the hub keeps in Kubernetes, and which of its replicas serves, on the embedded API server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod world;

use std::{net::SocketAddr, time::SystemTime};

use isthmus_federation::{
    hub::{self, Kubernetes, Metrics, Store, StoreError, Stored},
    invitation::{HubSecretHash, InvitationId, Record},
};
use isthmus_runtime::readiness::Ready;
use kube::api::{DeleteParams, PostParams};
use tokio_util::sync::CancellationToken;
use world::{DEADLINE, World, hub_tls, member};

fn invitation(used_by: Option<&str>) -> Stored {
    let record = Record {
        inviter: "east".parse().unwrap(),
        hub_secret_hash: HubSecretHash::of(b"secret"),
        expires: i64::MAX,
        used_by: used_by.map(|mesh| mesh.parse().unwrap()),
    };
    Stored { record, introduced: None }
}

fn id(digit: char) -> InvitationId {
    digit.to_string().repeat(32).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_kept_as_meshes_and_one_that_is_deleted_is_revoked() {
    let world = World::start().await;
    let store = Kubernetes::new(world.client.clone(), world.stop.clone());
    let (west, _) = member("west");
    store.save(west.clone(), vec!["west-1".parse().unwrap()]).await.unwrap();
    let kept = store.load().await.unwrap();
    assert_eq!((kept.members.as_slice(), kept.invitations.len()), ([west.clone()].as_slice(), 0));
    let status = world.meshes().get("west").await.unwrap().status.unwrap();
    assert_eq!((status.clusters, status.chain.len()), (vec!["west-1".to_owned()], 1));
    // One that can't be read doesn't keep the others from being.
    let mut broken = world.meshes().get("west").await.unwrap();
    broken.metadata = kube::api::ObjectMeta { name: Some("broken".to_owned()), ..Default::default() };
    broken.spec.trust_domain = "Broken".to_owned();
    let accepted = world.meshes().create(&PostParams::default(), &broken).await.is_ok();
    assert_eq!(store.load().await.unwrap().members.len(), 1, "a broken one was accepted: {accepted}");
    world.meshes().delete("west", &DeleteParams::default()).await.unwrap();
    let revoked = tokio::time::timeout(DEADLINE, store.revoked()).await.expect("nobody is revoked");
    assert_eq!(revoked, west.mesh);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_is_redeemed_once_however_many_try() {
    let world = World::start().await;
    let store = Kubernetes::new(world.client.clone(), world.stop.clone());
    store.save(member("east").0, Vec::new()).await.unwrap();
    let unknown = store.redeem(id('0'), invitation(Some("west"))).await;
    assert!(matches!(unknown, Err(StoreError::Changed(_))), "{unknown:?}");
    store.put(id('1'), invitation(None)).await.unwrap();
    store.put(id('2'), invitation(None)).await.unwrap();
    let attempts = ["west", "north", "south", "far"].map(|mesh| store.redeem(id('1'), invitation(Some(mesh))));
    let outcomes = futures::future::join_all(attempts).await;
    let refused = |outcome: &&Result<(), StoreError>| matches!(outcome, Err(StoreError::Changed(_)));
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(refused).count(), 3, "{outcomes:?}");
    let kept = store.load().await.unwrap().invitations;
    assert!(kept[&id('1')].record.used_by.is_some() && kept[&id('2')] == invitation(None));
    let inviter = "east".parse().unwrap();
    store.forget(&inviter, id('1')).await.unwrap();
    store.forget(&inviter, id('1')).await.unwrap();
    assert_eq!(store.load().await.unwrap().invitations.into_keys().collect::<Vec<_>>(), [id('2')]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_replicas_one_serves_and_the_other_takes_over() {
    let world = World::start().await;
    let (east, authority) = member("east");
    let replica = |pod: &str| {
        let config = hub::Config {
            mesh: east.mesh.clone(),
            trust_domain: east.trust_domain.clone(),
            namespace: "isthmus-system".to_owned(),
            pod: pod.to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let (ready, stop) = (Ready::new(), CancellationToken::new());
        // Registered when the task begins: not ready before.
        let begun = ready.register("test");
        let run = hub::run(config, world.client.clone(), hub_tls(&authority), metrics, ready.clone(), stop.clone());
        let task = tokio::spawn(async move {
            let mut run = std::pin::pin!(run);
            futures::future::poll_immediate(&mut run).await;
            drop(begun);
            run.await
        });
        (ready, stop, task)
    };
    let (first, stop_first, first_task) = replica("hub-1");
    tokio::time::timeout(DEADLINE, first.wait()).await.expect("the first doesn't serve");
    let (second, stop_second, second_task) = replica("hub-2");
    let began = SystemTime::now();
    assert!(second.awaited().iter().any(|what| ["lease", "test"].contains(what)), "{:?}", second.awaited());
    stop_first.cancel();
    tokio::time::timeout(DEADLINE, first_task).await.unwrap().unwrap().unwrap();
    tokio::time::timeout(DEADLINE, second.wait()).await.expect("the second doesn't take over");
    assert!(began.elapsed().unwrap() < DEADLINE && first.awaited().is_empty());
    stop_second.cancel();
    tokio::time::timeout(DEADLINE, second_task).await.unwrap().unwrap().unwrap();
}
