//! Gateways, and the way between them.

use std::time::Instant;

use anyhow::{Context, bail};
use isthmus_tests::{
    process,
    wait::{expect_eq, until},
};
use nix::sys::signal::{Signal, kill};
use serde_json::json;

use crate::{
    gateways,
    link::Fault,
    pod::Pod,
    scene::{IMPORT, PATIENCE, SYSTEM, Scene, pods, rolled_out_in},
    watch,
};

/// One of west's two is killed without a word: what was open through it dies with it, and nobody loses more than that; the other
/// carries all until there are two again.
pub(crate) fn one_of_two_killed(scene: &Scene) -> anyhow::Result<()> {
    let load = scene.loaded()?;
    let west = scene.west();
    let pod = pods(west, SYSTEM, gateways::LABEL)?.into_iter().next().context("no gateway")?;
    let before = load.count()?;
    kill(process::of_pod(&pod, "gateway")?, Signal::SIGKILL)?;
    load.go_on()?;
    let after = load.count()?;
    println!("    killed: {} failed of {}", after.failed - before.failed, after.succeeded - before.succeeded);
    rolled_out_in(west, SYSTEM, "deployment/isthmus-gateway")?;
    load.unharmed("the other gateway, and then both, carried all", || Ok(()))
}

/// The gateways can't reach each other: the import fails and says so, and is back as soon as the link is. Catalogs travel another way,
/// so nothing grows old.
pub(crate) fn cut_from_each_other(scene: &Scene) -> anyhow::Result<()> {
    scene.shared()?;
    let east = scene.east();
    let web = Pod::of(east, "web")?;
    let url = format!("http://{IMPORT}/items");
    let cut = Fault::begin(east, &json!([{ "cluster": "west", "port": 15443 }]))?;
    let begun = Instant::now();
    let status = until("the import to fail", PATIENCE, || match web.get(&url)?.status {
        status @ (502..=504) => Ok(status),
        status => bail!("status {status}"),
    })?;
    println!("    {status} {:.1} s after the cut", begun.elapsed().as_secs_f64());
    expect_eq("freshness", watch::freshness(east, IMPORT)?.as_str(), "Fresh")?;
    cut.end()?;
    let begun = Instant::now();
    until("an answer of west", PATIENCE, || web.get_ok(&url))?;
    println!("    {:.1} s from the link's return to an answer", begun.elapsed().as_secs_f64());
    Ok(())
}
