//! `promtool check metrics`: our own names are as Prometheus would have them. Those of other meshes are theirs.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use anyhow::bail;
use isthmus_tests::{http, software};

use crate::scene::{SHOP, Scene};

/// What the compatibility families begin with.
const OTHERS: [&str; 3] = ["response_", "osm_", "istio_"];

pub(crate) fn clean(scene: &Scene) -> anyhow::Result<()> {
    let places = [(SHOP, "flaky", 15020), (SHOP, "caller", 15020), ("isthmus-system", "isthmus-controller", 15014)];
    for (namespace, deployment, port) in places {
        let forward = scene.cluster.kubectl.port_forward(namespace, &format!("deployment/{deployment}"), port)?;
        let metrics = http::send(forward.port, http::request("GET", "/metrics"))?.into_body();
        let of_others = |line: &&str| {
            let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
            OTHERS.iter().any(|prefix| name.starts_with(prefix))
        };
        let (others, own): (Vec<&str>, Vec<&str>) = metrics.lines().partition(of_others);
        println!("{deployment}: {} lines of our own, {} by other names", own.len(), others.len());
        let mut child = Command::new(software::path("promtool")?)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all((own.join("\n") + "\n").as_bytes())?;
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!(
                "{deployment}: {}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
    Ok(())
}
