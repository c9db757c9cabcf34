//! Clocks that differ.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use isthmus_tests::wait::until;

use super::hub::changes_arrive;
use crate::{
    gateways,
    scene::{IMPORT, NAMESPACE, PATIENCE, Scene, pods},
    skew::Skew,
    stakes::{check, roots},
    watch,
};

/// More than clocks may differ, in seconds, and not enough yet to do harm.
const TOO_MUCH: i64 = 330;
/// How long a leaf lives, in seconds.
const LEAF: i64 = 24 * 60 * 60;
/// What a leaf may be older than its root's turn, in seconds.
const SINCE: i64 = 90;

/// West's CA and member live five minutes in the past, then in the future: fresh leaves are believed at once on both sides, roots
/// turn, and catalogs arrive. (In this order, for no clock goes back by ten minutes: a root begins six minutes before it is made.)
pub(crate) fn five_minutes_apart(scene: &Scene) -> anyhow::Result<()> {
    let load = scene.loaded()?;
    let (east, west) = (scene.east(), scene.west());
    load.unharmed("west's clock was five minutes behind, and then five ahead", || {
        let skew = Skew::of(west, &scene.meshes.state().join("skew"))?;
        for seconds in [-300, 300] {
            skew.set(seconds)?;
            roots::rotate(west)?;
            for pod in pods(west, NAMESPACE, "app=catalog")? {
                let ends = i64::try_from(gateways::certificate_expiry(west, &pod)?)?;
                let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
                let begun = ends - LEAF - now;
                if !(seconds - SINCE..=seconds).contains(&begun) {
                    bail!("the new leaf of {pod} ends at {ends}, and now is {now}");
                }
                println!("    the leaf of {pod} was made {begun} s from now");
            }
            changes_arrive(scene).context("changes of exports")?;
            watch::until_freshness(east, IMPORT, "Fresh")?;
            load.go_on()?;
        }
        skew.set(TOO_MUCH)?;
        let said = until("check to blame the clock", PATIENCE, || match check::run(scene)? {
            (Some(1), report) if report.to_string().contains("clock of west's controller is") => Ok(report),
            (code, report) => bail!("{code:?}: {report}"),
        })?;
        println!("    {}", check::fault(&said).context("no step failed")?);
        skew.end()?;
        changes_arrive(scene)
    })
}
