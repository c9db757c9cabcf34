//! What the network lets through before anything is joined: this is what all other tests stand on.

use anyhow::{Context, bail};
use isthmus_tests::{
    meshes::{Mesh, Meshes},
    wait::{expect_eq, until},
};
use serde_json::Value;

use crate::{
    manifest,
    pod::{PORT, Pod},
    scene::{NAMESPACE, PATIENCE, Scene, rolled_out},
};

const NAME: &str = "outsider";

pub(crate) fn run(scene: &Scene) -> anyhow::Result<()> {
    let Meshes { east, west, .. } = &scene.meshes;
    for mesh in [east, west] {
        mesh.kubectl.apply(NAMESPACE, &manifest::outsider(NAME))?;
        rolled_out(mesh, &format!("deployment/{NAME}"))?;
    }
    for (from, to) in [(east, west), (west, east)] {
        let caller = Pod::of(from, NAME)?;
        let [pod, service, balancer] = addresses(to)?;
        let ask = |address: &str| caller.get(&format!("http://{address}:{PORT}/healthz"));
        expect_eq(&format!("{balancer}, for other clusters"), ask(&balancer)?.status, 200)?;
        for inner in [pod, service] {
            if let Ok(answer) = ask(&inner) {
                bail!("{} reached {inner} of {}: {answer:?}", from.name, to.name);
            }
        }
    }
    for mesh in [east, west] {
        mesh.kubectl.run(&["delete", "-n", NAMESPACE, "deployment,service", NAME])?;
    }
    Ok(())
}

/// Of the pod, of its Service, and of that Service for other clusters.
fn addresses(mesh: &Mesh) -> anyhow::Result<[String; 3]> {
    let select = ["get", "pods", "-n", NAMESPACE, "-l", &format!("app={NAME}"), "-o", "json"];
    let pods: Value = serde_json::from_str(&mesh.kubectl.run(&select)?)?;
    let text = |object: &Value, pointer: &str| {
        let found = object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        found.with_context(|| format!("{}: {NAME} has no {pointer}", mesh.name))
    };
    let pod = text(&pods, "/items/0/status/podIP")?;
    until("an address for other clusters", PATIENCE, || {
        let service = mesh.kubectl.get(NAMESPACE, "service", NAME)?;
        let balancer = text(&service, "/status/loadBalancer/ingress/0/ip")?;
        Ok([pod.clone(), text(&service, "/spec/clusterIP")?, balancer])
    })
}
