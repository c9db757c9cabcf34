//! Two replicas of a controller, with proxies spread over both: what is said of all proxies is true of all.

use std::{collections::BTreeSet, fs, process::Child};

use anyhow::{Context, bail};
use isthmus_tests::{
    http,
    meshes::Mesh,
    process::{self, Stopped},
    wait::{expect_eq, until},
};
use serde_json::{Value, json};

use crate::{
    gateways::sum,
    manifest,
    pod::PORT,
    scene::{IMPORT, NAMESPACE, PATIENCE, SYSTEM, Scene, pods, rolled_out, rolled_out_in},
    stakes::joining::revoke,
    watch,
};

const CONTROLLER: &str = "deployment/isthmus-controller";
const LABEL: &str = "app.kubernetes.io/name=isthmus-controller";
/// Port of the controller's admin server.
const ADMIN: u16 = 15014;
/// Pods that are enough to have some at each replica, wherever each goes by chance.
const SPREAD: usize = 12;

/// While it lives there are two replicas, and pods that call nobody.
struct Two<'a>(&'a Mesh);

impl<'a> Two<'a> {
    fn begin(mesh: &'a Mesh) -> anyhow::Result<Self> {
        let two = Self(mesh);
        mesh.kubectl.run(&["scale", "-n", SYSTEM, CONTROLLER, "--replicas=2"])?;
        rolled_out_in(mesh, SYSTEM, CONTROLLER)?;
        mesh.kubectl.apply(NAMESPACE, &manifest::driver("spread"))?;
        for replicas in 1..=SPREAD {
            let replicas = format!("--replicas={replicas}");
            mesh.kubectl.run(&["scale", "-n", NAMESPACE, "deployment/spread", &replicas])?;
            rolled_out(mesh, "deployment/spread")?;
            let all = pods(mesh, SYSTEM, LABEL)?;
            if all.iter().all(|replica| connected(mesh, replica).is_ok_and(|pods| !pods.is_empty())) {
                return Ok(two);
            }
        }
        bail!("all of {SPREAD} proxies are connected to the same replica")
    }
}

impl Drop for Two<'_> {
    fn drop(&mut self) {
        let kubectl = &self.0.kubectl;
        let one = kubectl.run(&["scale", "-n", SYSTEM, CONTROLLER, "--replicas=1"]);
        let gone = kubectl.run(&["delete", "deployment", "-n", NAMESPACE, "spread", "--ignore-not-found"]);
        for error in [one, gone].into_iter().filter_map(Result::err) {
            println!("{error:#}");
        }
    }
}

/// The idle pods that have connected to a replica, as its log says.
fn connected(mesh: &Mesh, replica: &str) -> anyhow::Result<BTreeSet<String>> {
    let log = mesh.kubectl.run(&["logs", "-n", SYSTEM, replica])?;
    let lines = log.lines().filter(|line| line.contains("proxy connected"));
    let begin = format!("{NAMESPACE}/spread-");
    let name = |line: &str| {
        let name = line.split_once(&begin)?.1.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next()?;
        Some(format!("spread-{name}"))
    };
    Ok(lines.filter_map(name).collect())
}

fn sessions(mesh: &Mesh) -> anyhow::Result<u64> {
    let of = |replica: &String| sum(mesh, SYSTEM, replica, ADMIN, "isthmus_controller_sessions ");
    pods(mesh, SYSTEM, LABEL)?.iter().map(of).sum()
}

/// The replica that leads.
fn leader(mesh: &Mesh) -> anyhow::Result<String> {
    let lease = mesh.kubectl.get(SYSTEM, "lease", "isthmus-controller")?;
    let holder = lease.pointer("/spec/holderIdentity").and_then(Value::as_str);
    Ok(holder.with_context(|| format!("nobody leads: {lease}"))?.to_owned())
}

/// Waits until all proxies hold the peer's bundle, those of both replicas.
fn all_trust(mesh: &Mesh) -> anyhow::Result<u64> {
    until(&format!("every proxy of {} to be counted", mesh.name), PATIENCE, || {
        let all = sessions(mesh)?;
        let said = watch::until_condition(mesh, "meshpeer/west", "TrustPropagated", "True", None)?;
        expect_eq("TrustPropagated", said, format!("{all}/{all} proxies hold its bundle"))?;
        Ok(all)
    })
}

/// A proxy that stands still at the replica that doesn't lead is waited for, by name; the one that leads is killed, and the other
/// goes on; a revocation is confirmed by all.
pub(crate) fn count_all_proxies(scene: &Scene) -> anyhow::Result<()> {
    let load = scene.loaded()?;
    let (east, west) = (scene.east(), scene.west());
    let two = Two::begin(east)?;
    let all = all_trust(east)?;
    let first = leader(east)?;
    let other = pods(east, SYSTEM, LABEL)?.into_iter().find(|replica| *replica != first).context("one replica")?;
    println!("    {all} proxies; {first} leads, {other} has {:?}", connected(east, &other)?);

    let late = connected(east, &other)?.pop_first().context("no idle pod")?;
    let still = Stopped::stop(process::of_pod(&late, "proxy")?)?;
    west.kubectl.run(&["annotate", "-n", SYSTEM, "secret", "isthmus-ca", "isthmus.mesh/rotate-root=now"])?;
    let said = watch::until_condition(east, "meshpeer/west", "TrustPropagated", "False", Some("Pending"))?;
    println!("    {said}");
    let waited_for = format!("{}/{all} proxies hold its bundle; waiting for the proxy of {NAMESPACE}/{late}", all - 1);
    until("the one that stands still to be the last", PATIENCE, || {
        let said = watch::until_condition(east, "meshpeer/west", "TrustPropagated", "False", Some("Pending"))?;
        expect_eq("TrustPropagated", said, waited_for.clone())
    })?;
    drop(still);
    println!("    {} of {all} after it went on", all_trust(east)?);

    load.unharmed("the replica that led was killed", || {
        let killed = ["delete", "pod", "-n", SYSTEM, &first, "--force", "--grace-period=0", "--wait=false"];
        east.kubectl.run(&killed)?;
        // The other one, or the one that comes in its place.
        let next = until("another replica to lead", PATIENCE, || match leader(east)? {
            next if next == first => bail!("{next} leads"),
            next => Ok(next),
        })?;
        let all = all_trust(east)?;
        println!("    {next} leads, {all} proxies trust west");
        east.kubectl.apply(NAMESPACE, manifest::SPLIT_OF_SPREAD)?;
        let said = watch::until_condition(east, "trafficsplit/spread", "Programmed", "True", None)?;
        println!("    a new TrafficSplit: {said}");
        expect_eq("all proxies again", all_trust(east)?, all)
    })?;

    let all = all_trust(east)?;
    let receipt = revoke(scene, east, "west")?;
    println!("    {receipt}");
    let number = |key: &str| receipt.get(key).and_then(Value::as_u64).with_context(|| format!("{key}: {receipt}"));
    expect_eq("proxies in the receipt", number("proxies")?, all)?;
    expect_eq("proxies that confirmed", number("confirmed")?, all)?;
    east.kubectl.run(&["delete", "trafficsplit", "-n", NAMESPACE, "spread"])?;
    drop(two);
    rolled_out_in(east, SYSTEM, CONTROLLER)?;
    revoke(scene, west, "east")?;
    scene.shared()?;
    load.go_on()
}

/// A tap that one replica serves tells of the pods whose proxies are connected to the other, too.
pub(crate) fn tap_for_each_other(scene: &Scene) -> anyhow::Result<()> {
    scene.shared()?;
    let east = scene.east();
    let two = Two::begin(east)?;
    let all: BTreeSet<String> = pods(east, NAMESPACE, "app=spread")?.into_iter().collect();
    let told = tempfile::NamedTempFile::new()?;
    let args = ["tap", "deploy/spread", "-n", NAMESPACE, "--direction=outbound", "--for=5m", "-o", "json"];
    let tap = scene.meshes.isthmus().args(args).env("KUBECONFIG", &east.kubeconfig).stdout(told.reopen()?).spawn()?;
    let _tap = Ended(tap);
    // They may not: that is an answer, too.
    let ask = json!({ "url": format!("http://{IMPORT}/items") }).to_string();
    until("every pod to be seen", PATIENCE, || {
        for pod in &all {
            let forward = east.kubectl.port_forward(NAMESPACE, &format!("pod/{pod}"), PORT)?;
            http::send(forward.port, http::with_body("POST", "/ask", ask.clone()))?;
        }
        let told = fs::read_to_string(told.path())?;
        let lines = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let seen = lines.filter_map(|line| Some(line.get("pod")?.as_str()?.split_once('/')?.1.to_owned()));
        expect_eq("pods that the tap has seen", seen.collect(), all.clone())
    })?;
    for replica in pods(east, SYSTEM, LABEL)? {
        println!("    {replica}: {:?}", connected(east, &replica)?);
    }
    drop(two);
    rolled_out_in(east, SYSTEM, CONTROLLER)
}

/// A process that is killed when this is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
