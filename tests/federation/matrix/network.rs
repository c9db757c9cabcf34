//! A link that is slow, or loses packets.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{
    link::Fault,
    load::Load,
    scene::{IMPORT, Scene},
    watch,
};

/// Bytes between the gateways, and to the hub, are 50 ms under way, more or less 20.
pub(crate) fn delay(scene: &Scene) -> anyhow::Result<()> {
    slow(scene, "late", "the link had 50 ms ± 20 ms", &json!([{ "cluster": "west", "delayMs": 50, "jitterMs": 20 }]))
}

/// One packet of a hundred is lost.
pub(crate) fn loss(scene: &Scene) -> anyhow::Result<()> {
    slow(scene, "lossy", "the link lost one packet of a hundred", &json!([{ "cluster": "west", "dropOneIn": 100 }]))
}

fn slow(scene: &Scene, name: &'static str, what: &str, faults: &Value) -> anyhow::Result<()> {
    let load = scene.loaded()?;
    let east = scene.east();
    load.unharmed(what, || {
        let begun = Instant::now();
        let fault = Fault::begin(east, faults)?;
        // A caller whose every connection is made and used on such a link, and one that has had its connections before.
        let new = Load::on(scene, name, IMPORT)?;
        new.unharmed("it was new", || (0..3).try_for_each(|_| load.go_on()))?;
        watch::until_freshness(east, IMPORT, "Fresh")?;
        println!("    for {:.1} s; {}", begun.elapsed().as_secs_f64(), new.slowest()?);
        fault.end()?;
        new.end()
    })
}
