//! Calls from mesh to mesh: who is seen, who is let in, and where they go.

use std::fs;

use anyhow::{Context, bail};
use isthmus_tests::wait::{expect_eq, until};
use serde_json::Value;

use crate::{
    gateways,
    load::Load,
    manifest,
    pod::Pod,
    scene::{IMPORT, NAMESPACE, PATIENCE, Scene, pods, rolled_out},
    watch,
};

/// The callee hears the caller's own SPIFFE ID, and a TrafficTarget that names it decides.
pub(crate) fn identity_of_the_caller(scene: &Scene) -> anyhow::Result<()> {
    scene.shared()?;
    let (web, batch) = (Pod::of(scene.east(), "web")?, Pod::of(scene.east(), "batch")?);
    let url = format!("http://{IMPORT}/items");
    let answer = web.get_ok(&url)?;
    let text = |key: &str| answer.get(key).and_then(Value::as_str);
    expect_eq("who answered", text("version"), Some("west"))?;
    expect_eq("who was seen", text("caller"), Some("spiffe://east.local/ns/shop/sa/web"))?;
    let denied = batch.get(&url)?;
    expect_eq("who isn't named", (denied.status, denied.denied.as_deref()), (403, Some("no-grant")))?;
    // Named, but not for this path.
    let denied = web.get(&format!("http://{IMPORT}/admin"))?;
    expect_eq("what isn't granted", denied.status, 403)?;
    // The grant is what lets it in: without it the same caller is denied.
    let west = &scene.west().kubectl;
    west.run(&["delete", "traffictarget", "-n", NAMESPACE, "east"])?;
    until("the grant's end", PATIENCE, || expect_eq("status", web.get(&url)?.status, 403))?;
    west.apply(NAMESPACE, manifest::LET_IN)?;
    until("the grant", PATIENCE, || web.get_ok(&url)).map(drop)
}

/// Both gateways carry connections, each remote pod has its share, and one that fails is passed over alone.
pub(crate) fn balanced_over_remote_endpoints(scene: &Scene) -> anyhow::Result<()> {
    let load = scene.loaded()?;
    let west = scene.west();
    let all = pods(west, NAMESPACE, "app=catalog")?;
    let carried = gateways::connections(west)?;
    expect_eq("gateways of west", carried.len(), 2)?;
    let before = asked(&load, &all)?;
    load.unharmed("load over two gateways to two pods", || {
        until("a share for each pod", PATIENCE, || {
            let shares: Vec<_> = asked(&load, &all)?.iter().zip(&before).map(|(now, before)| now - before).collect();
            let sum: u64 = shares.iter().sum();
            // Each of two has at least a quarter.
            if sum < 200 || shares.iter().any(|share| share * 4 < sum) { bail!("{shares:?}") } else { Ok(()) }
        })
    })?;
    until("connections through each gateway", PATIENCE, || {
        let now = gateways::connections(west)?;
        let idle = now.iter().find(|(pod, count)| carried.get(*pod).is_some_and(|before| before >= *count));
        if let Some((pod, count)) = idle { bail!("{pod} has carried {count} all the time") } else { Ok(()) }
    })?;
    one_out_of_order(scene, &load, &all)
}

/// A pod whose program isn't there: its token is in the catalog, and it can serve nothing. Requests are sent again elsewhere; bytes
/// of a TCP connection can't be, and it gets no new one once it isn't ready.
fn one_out_of_order(scene: &Scene, load: &Load<'_>, all: &[String]) -> anyhow::Result<()> {
    let west = scene.west();
    let folder = scene.meshes.state().join("sick");
    fs::create_dir_all(&folder)?;
    let ready = folder.join("ready");
    fs::write(&ready, "")?;
    west.kubectl.apply(NAMESPACE, &manifest::sick(folder.to_str().context("the state folder's name isn't UTF-8")?))?;
    rolled_out(west, "deployment/catalog-sick")?;
    let sick = pods(west, NAMESPACE, "state=sick")?.into_iter().next().context("no pod")?;
    let tried = || gateways::inbound_requests(west, &sick);
    let http = Load::without(scene, "http-caller", IMPORT, &["tcp-new"])?;
    http.unharmed("one remote pod of three was out of order", || {
        until("the pod to be tried", PATIENCE, || if tried()? == 0 { bail!("it is asked nothing") } else { Ok(()) })?;
        http.go_on()?;
        let before = (tried()?, asked(&http, all)?);
        (0..3).try_for_each(|_| http.go_on())?;
        let (sick, well) = (tried()? - before.0, asked(&http, all)?);
        let well: Vec<_> = well.iter().zip(&before.1).map(|(now, before)| now - before).collect();
        println!("    the pod out of order was tried {sick} times, while the others answered {well:?}");
        // The others, behind the same gateways, have it all.
        if well.iter().any(|well| *well < 20 || sick * 4 > *well) {
            bail!("the one isn't passed over, or others are")
        }
        Ok(())
    })?;
    http.end()?;

    fs::remove_file(&ready)?;
    watch::until_endpoints(scene.east(), IMPORT, all.len())?;
    let connections = || gateways::inbound_connections(west, &sick);
    load.unharmed("the pod out of order wasn't ready, and TCP connections were made", || {
        let before = (tried()?, connections()?);
        (0..3).try_for_each(|_| load.go_on())?;
        expect_eq("requests and connections to it", (tried()?, connections()?), before)
    })?;
    west.kubectl.run(&["delete", "deployment", "-n", NAMESPACE, "catalog-sick"]).map(drop)
}

/// What each of these pods has answered.
fn asked(load: &Load<'_>, pods: &[String]) -> anyhow::Result<Vec<u64>> {
    pods.iter().map(|pod| load.answers_of(pod)).collect()
}
