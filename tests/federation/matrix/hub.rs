//! The hub, or the way to it, is away. (What a silent member means is a test of its own: `stakes/staleness.rs`.)

use std::time::Instant;

use isthmus_tests::wait::until;

use serde_json::json;

use crate::{
    away::Away,
    link::Fault,
    manifest,
    scene::{IMPORT, NAMESPACE, PATIENCE, SYSTEM, Scene, pods, rolled_out_in},
    watch,
};

/// There is no hub for longer than a lease; what comes back knows nothing, and is told everything again by the members.
pub(crate) fn down_and_back_empty(scene: &Scene) -> anyhow::Result<()> {
    let load = scene.loaded()?;
    let (east, west) = (scene.east(), scene.west());
    load.unharmed("the hub was down for longer than a lease", || {
        let away = Away::hub(east)?;
        let begun = Instant::now();
        for mesh in [east, west] {
            watch::until_connected(mesh, false)?;
        }
        watch::until_freshness(east, IMPORT, "Stale")?;
        println!("    stale {:.0} s after the hub's end", begun.elapsed().as_secs_f64());
        away.end()?;
        let begun = Instant::now();
        for mesh in [east, west] {
            watch::until_connected(mesh, true)?;
        }
        watch::until_freshness(east, IMPORT, "Fresh")?;
        println!("    fresh {:.1} s after the hub's return", begun.elapsed().as_secs_f64());
        Ok(())
    })?;
    changes_arrive(scene)
}

/// It is killed without a word, and another is there soon.
pub(crate) fn restarted_empty(scene: &Scene) -> anyhow::Result<()> {
    let load = scene.loaded()?;
    let east = scene.east();
    load.unharmed("the hub was killed and started anew", || {
        for pod in pods(east, SYSTEM, "app.kubernetes.io/name=isthmus-hub")? {
            east.kubectl.run(&["delete", "pod", "-n", SYSTEM, &pod, "--grace-period=0", "--force"])?;
        }
        rolled_out_in(east, SYSTEM, "deployment/isthmus-hub")?;
        changes_arrive(scene)
    })
}

/// West can't reach the hub, and west's pods are reached all the same.
pub(crate) fn cut_from_a_member(scene: &Scene) -> anyhow::Result<()> {
    let load = scene.loaded()?;
    let (east, west) = (scene.east(), scene.west());
    load.unharmed("west was cut from the hub", || {
        let cut = Fault::begin(east, &json!([{ "cluster": "west", "port": 15030 }]))?;
        watch::until_connected(west, false)?;
        watch::until_connected(east, true)?;
        watch::until_freshness(east, IMPORT, "Stale")?;
        cut.end()?;
        let begun = Instant::now();
        watch::until_connected(west, true)?;
        watch::until_freshness(east, IMPORT, "Fresh")?;
        println!("    fresh {:.1} s after the link's return", begun.elapsed().as_secs_f64());
        Ok(())
    })
}

/// What west changes is known in east: it offers one thing more, and then doesn't.
pub(super) fn changes_arrive(scene: &Scene) -> anyhow::Result<()> {
    let (east, west) = (scene.east(), scene.west());
    west.kubectl.apply(NAMESPACE, manifest::ALSO)?;
    east.kubectl.apply(NAMESPACE, manifest::ALSO_IMPORT)?;
    watch::until_freshness(east, "also", "Fresh")?;
    watch::until_condition(east, "importedservice/also", "ResolvedRefs", "True", None)?;
    west.kubectl.run(&["delete", "exportedservice", "-n", NAMESPACE, "also"])?;
    watch::until_condition(east, "importedservice/also", "ResolvedRefs", "False", Some("ExportNotFound"))?;
    east.kubectl.run(&["delete", "importedservice", "-n", NAMESPACE, "also"])?;
    until("also's Service to be gone", PATIENCE, || {
        let services = east.kubectl.run(&["get", "services", "-n", NAMESPACE, "-o", "name"])?;
        if services.contains("also") { anyhow::bail!("{services}") } else { Ok(()) }
    })
}
