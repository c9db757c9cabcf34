//! What sidecars and the controller tell is as Prometheus would have it.

use anyhow::Context;
use isthmus_tests::{http, prometheus::lint};

use crate::scene::{SHOP, Scene};

pub(crate) fn clean(scene: &Scene) -> anyhow::Result<()> {
    let places = [(SHOP, "flaky", 15020), (SHOP, "caller", 15020), ("isthmus-system", "isthmus-controller", 15014)];
    for (namespace, deployment, port) in places {
        let forward = scene.cluster.kubectl.port_forward(namespace, &format!("deployment/{deployment}"), port)?;
        let metrics = http::send(forward.port, http::request("GET", "/metrics"))?.into_body();
        let lines = lint(&metrics).with_context(|| deployment.to_owned())?;
        println!("{deployment}: {lines} lines of our own");
    }
    Ok(())
}
