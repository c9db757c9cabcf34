//! Gateways that are reached elsewhere than before.

use std::time::Instant;

use anyhow::Context;
use isthmus_tests::{
    meshes::Mesh,
    wait::{expect_eq, until},
};
use serde_json::{Value, json};

use crate::{
    manifest,
    scene::{IMPORT, NAMESPACE, PATIENCE, SYSTEM, Scene},
    watch,
};

/// The Service of west's gateways, and another one of the same pods.
const SERVICE: &str = "isthmus-gateway";
const SECOND: &str = "isthmus-gateway-2";
const PORT: u16 = 15443;
/// In east's DNS, the name of west's gateways.
const NAME: &str = "west-gateways.shop.svc.cluster.local";

/// A second address first, and then the first one is gone: nobody notices. Then the only one becomes another at once.
pub(crate) fn changed(scene: &Scene) -> anyhow::Result<()> {
    let load = scene.loaded()?;
    let (east, west) = (scene.east(), scene.west());
    let first = balancer(west, SERVICE)?;
    west.kubectl.apply(SYSTEM, &manifest::gateways(SECOND))?;
    let second = balancer(west, SECOND)?;
    load.unharmed("west's gateways got a second address, and lost the first", || {
        said(west, &json!([first, second]))?;
        watch::until_gateways(east, IMPORT, &[first.clone(), second.clone()])?;
        load.go_on()?;
        said(west, &json!([second]))?;
        watch::until_gateways(east, IMPORT, std::slice::from_ref(&second))?;
        // Nothing is at the first one any more.
        moved(west, &elsewhere(&first)?).map(drop)
    })?;
    said(west, &Value::Null)?;
    let now = balancer(west, SERVICE)?;
    watch::until_gateways(east, IMPORT, &[now])?;
    load.go_on()?;

    let before = load.count()?;
    let begun = Instant::now();
    let back = moved(west, &first)?;
    watch::until_gateways(east, IMPORT, &[back])?;
    println!("    known to all proxies {:.1} s after the move", begun.elapsed().as_secs_f64());
    load.go_on()?;
    let after = load.count()?;
    println!("    moved at once: {} failed of {}", after.failed - before.failed, after.succeeded - before.succeeded);
    load.unharmed("it was where it had moved to", || Ok(()))?;
    west.kubectl.run(&["delete", "service", "-n", SYSTEM, SECOND]).map(drop)
}

/// West's gateways are known by a name alone: its record changes, and then nobody answers for it.
pub(crate) fn renamed(scene: &Scene) -> anyhow::Result<()> {
    let load = scene.loaded()?;
    let (east, west) = (scene.east(), scene.west());
    let first = balancer(west, SERVICE)?;
    west.kubectl.apply(SYSTEM, &manifest::gateways(SECOND))?;
    let second = balancer(west, SECOND)?;
    let record = |addresses: &[&str]| {
        let hosts: Vec<_> = addresses.iter().filter_map(|address| address.split(':').next()).collect();
        east.kubectl.apply(NAMESPACE, &manifest::dns_name("west-gateways", &hosts))
    };
    record(&[&first])?;
    load.unharmed("west's gateways became a name, whose record changed and was lost", || {
        said(west, &json!([format!("{NAME}:{PORT}")]))?;
        let told = watch::until_condition(east, "meshpeer/west", "GatewaysResolved", "True", None)?;
        println!("    {told}");
        watch::until_gateways(east, IMPORT, std::slice::from_ref(&first))?;
        load.go_on()?;
        let begun = Instant::now();
        record(&[&first, &second])?;
        watch::until_gateways(east, IMPORT, &[first.clone(), second.clone()])?;
        println!("    a changed record was followed after {:.1} s", begun.elapsed().as_secs_f64());
        record(&[&second])?;
        watch::until_gateways(east, IMPORT, std::slice::from_ref(&second))?;
        load.go_on()?;
        east.kubectl.run(&["delete", "service,endpointslice", "-n", NAMESPACE, "west-gateways"])?;
        let told = watch::until_condition(east, "meshpeer/west", "GatewaysResolved", "False", Some("LookupFailed"))?;
        println!("    {told}");
        watch::until_gateways(east, IMPORT, std::slice::from_ref(&second))?;
        load.go_on()?;
        said(west, &Value::Null)?;
        watch::until_gateways(east, IMPORT, &[first])
    })?;
    let peer = east.kubectl.get(NAMESPACE, "meshpeer", "west")?;
    let conditions = peer.pointer("/status/conditions").context("no conditions")?.to_string();
    expect_eq("a condition of names that aren't there", conditions.contains("GatewaysResolved"), false)?;
    west.kubectl.run(&["delete", "service", "-n", SYSTEM, SECOND]).map(drop)
}

/// West says where its gateways are; null: where their Service is.
fn said(west: &Mesh, gateways: &Value) -> anyhow::Result<()> {
    let patch = json!({ "spec": { "gateways": gateways } }).to_string();
    west.kubectl.run(&["patch", "mesh", west.name, "--type=merge", "-p", &patch]).map(drop)
}

/// The Service of the gateways asks for another address, and has it: nothing is at the one before.
fn moved(west: &Mesh, to: &str) -> anyhow::Result<String> {
    let ip = to.split(':').next().unwrap_or_default();
    let patch = json!({ "spec": { "loadBalancerIP": ip } }).to_string();
    west.kubectl.run(&["patch", "service", "-n", SYSTEM, SERVICE, "--type=merge", "-p", &patch])?;
    until(&format!("{SERVICE} at {ip}"), PATIENCE, || {
        let now = balancer(west, SERVICE)?;
        expect_eq("address", now.as_str(), format!("{ip}:{PORT}").as_str())?;
        Ok(now)
    })
}

/// A free address beside this one.
fn elsewhere(address: &str) -> anyhow::Result<String> {
    let range = address.rsplit_once('.').context("no IPv4 address")?.0;
    Ok(format!("{range}.77:{PORT}"))
}

/// Where a LoadBalancer Service of the control plane is from outside.
fn balancer(mesh: &Mesh, service: &str) -> anyhow::Result<String> {
    until(&format!("an address of {service}"), PATIENCE, || {
        let live = mesh.kubectl.get(SYSTEM, "service", service)?;
        let ip = live.pointer("/status/loadBalancer/ingress/0/ip").and_then(Value::as_str);
        Ok(format!("{}:{PORT}", ip.with_context(|| format!("{service} has none"))?))
    })
}
