//! Pods behind gateways, as their callers balance over them.

use std::{collections::BTreeSet, time::Instant};

use isthmus_core::destination::{Endpoint, Remote};

use super::Meshes;
use crate::{
    faults::says,
    support::{
        app, client,
        mesh::{Pod, allow, backend, id, service, split},
    },
};

const EJECTIONS: &str = "isthmus_endpoint_ejections_total";
const UNREACHED: &str = "isthmus_retries_total{after=\"unreached\"}";

#[tokio::test]
async fn requests_are_balanced_over_the_pods_behind_one_gateway() {
    let meshes = Meshes::start(&["one", "two", "three"]).await;
    meshes.set(service(&meshes.all(), None)).await;
    let (mut asked, mut seen) = (0, BTreeSet::new());
    while seen.len() < 3 {
        let response = client::get(meshes.call(), "/").await.unwrap();
        assert_eq!(response.status(), 200);
        seen.insert(client::text(response).await);
        asked += 1;
        assert!(asked < 1000, "{seen:?}");
    }
}

#[tokio::test]
async fn a_single_remote_pod_that_loses_requests_is_ejected() {
    let meshes = Meshes::without_apps(&["one", "two", "three"]).await;
    app::http((meshes.pods[0].app, 8080).into(), "one").await;
    app::http((meshes.pods[1].app, 8080).into(), "two").await;
    // Reads each request and closes without a word.
    says((meshes.pods[2].app, 8080).into(), b"").await;
    meshes.set(service(&meshes.all(), None)).await;
    while meshes.caller.metric(EJECTIONS).await < 1.0 {
        let status = client::get(meshes.call(), "/").await.unwrap().status();
        assert!(status == 200 || status == 502, "{status}");
    }
    let begun = Instant::now();
    let bodies = client::many(meshes.call(), "/", 40).await;
    let (one, two) = (client::count(&bodies, "200 one"), client::count(&bodies, "200 two"));
    // It is out for seconds; the others, behind the same address, serve on.
    assert!(begun.elapsed() > isthmus_core::balance::FIRST_EJECTION || one + two == 40, "{bodies:?}");
}

#[tokio::test]
async fn a_remote_pod_whose_application_is_gone_costs_no_request() {
    let meshes = Meshes::without_apps(&["one", "two"]).await;
    app::http((meshes.pods[0].app, 8080).into(), "one").await;
    meshes.set(service(&meshes.all(), None)).await;
    let bodies = client::many(meshes.call(), "/", 40).await;
    assert_eq!(client::count(&bodies, "200 one"), 40, "{bodies:?}");
}

#[tokio::test]
async fn a_gateway_that_dies_costs_no_request_and_is_found_out_once_for_all_pods() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut meshes = Meshes::start(&names).await;
    meshes.open_gateway().await;
    meshes.set(service(&meshes.all(), None)).await;
    let bodies = client::many(meshes.call(), "/", 60).await;
    assert!(bodies.iter().all(|body| body.starts_with("200 ")), "{bodies:?}");
    assert!(meshes.gateways.iter().all(|gateway| !gateway.seen().is_empty()), "both are used");

    meshes.gateways[0].kill();
    let (begun, before) = (Instant::now(), meshes.caller.metric(UNREACHED).await);
    let bodies = client::many(meshes.call(), "/", 120).await;
    assert!(bodies.iter().all(|body| body.starts_with("200 ")), "{bodies:?}");
    // Six pods are behind it: it was tried once, and once each time that its bar was over.
    let tried = meshes.caller.metric(UNREACHED).await - before;
    assert!(tried <= 1.0 + begun.elapsed().as_secs_f64() * 2.0, "{tried} in {:?}", begun.elapsed());

    let seen = meshes.gateways[0].seen().len();
    meshes.gateways[0].resume().await;
    crate::support::eventually("it is used again", async || {
        assert_eq!(client::get(meshes.call(), "/").await.unwrap().status(), 200);
        meshes.gateways[0].seen().len() > seen
    })
    .await;
}

#[tokio::test]
async fn what_is_stale_is_called_only_while_nothing_fresh_can_be() {
    let meshes = Meshes::without_apps(&["old", "new"]).await;
    app::http((meshes.pods[0].app, 8080).into(), "old").await;
    let stale = |endpoint: Endpoint| {
        let remote = endpoint.remote.clone().map(|remote| Remote { stale: true, ..remote });
        Endpoint { remote, ..endpoint }
    };
    let (old, new) = (meshes.remote(0, 0), meshes.remote(1, 0));
    // Of the fresh one the application isn't there.
    meshes.set(service(&[stale(old.clone()), new.clone()], None)).await;
    let bodies = client::many(meshes.call(), "/", 20).await;
    assert_eq!(client::count(&bodies, "200 old"), 20, "{bodies:?}");
    assert!(meshes.caller.metric(UNREACHED).await >= 1.0);
    // It comes up.
    app::http((meshes.pods[1].app, 8080).into(), "new").await;
    let ask = async || client::text(client::get(meshes.call(), "/").await.unwrap()).await;
    crate::support::eventually("the fresh one", async || ask().await == "new").await;
    let bodies = client::many(meshes.call(), "/", 20).await;
    assert_eq!(client::count(&bodies, "200 new"), 20, "{bodies:?}");
    // The same endpoints as their own backend sees them now.
    meshes.set(service(&[old, stale(new)], None)).await;
    let bodies = client::many(meshes.call(), "/", 20).await;
    assert_eq!(client::count(&bodies, "200 old"), 20, "{bodies:?}");
}

#[tokio::test]
async fn a_canary_from_one_mesh_to_another_is_exact() {
    let meshes = Meshes::start(&["westa", "westb"]).await;
    meshes.east.set_policy("local", allow(&[&id("caller")]));
    let local = Pod::start(&meshes.east, "local", &[8080], &[]).await;
    app::http((local.app, 8080).into(), "local").await;
    let backends =
        vec![(backend("web-v1", 80, &[local.endpoint(8080)]), 80), (backend("web-west", 80, &meshes.all()), 20)];
    meshes.set(service(&[], Some(split(None, backends)))).await;
    let bodies = client::many(meshes.call(), "/", 100).await;
    let west = client::count(&bodies, "200 westa") + client::count(&bodies, "200 westb");
    assert_eq!((client::count(&bodies, "200 local"), west), (80, 20), "{bodies:?}");
}
