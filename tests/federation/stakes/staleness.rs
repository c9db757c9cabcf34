//! What is known of another mesh grows old visibly, and isn't used for longer than the import allows.

use anyhow::{Context, bail};
use isthmus_tests::wait::until;
use serde_json::Value;

use crate::{
    away::Away,
    pod::{Answer, Pod},
    scene::{IMPORT, NAMESPACE, PATIENCE, Scene},
    watch,
};

/// The import that may be used for forty seconds without word from west.
const BRIEF: &str = "catalog-brief";

/// West's controller falls silent: what may grow old is used on, what may not is withdrawn, and both come back.
pub(crate) fn bounded_and_visible(scene: &Scene) -> anyhow::Result<()> {
    let load = scene.loaded()?;
    let east = scene.east();
    let web = Pod::of(east, "web")?;
    watch::until_freshness(east, BRIEF, "Fresh")?;
    let ask = |name: &str| web.get(&format!("http://{name}/items"));
    until("an answer by the brief import", PATIENCE, || web.get_ok(&format!("http://{BRIEF}/items")))?;
    load.unharmed("west's controller was away for longer than a lease", || {
        let away = Away::controller(scene.west())?;
        watch::until_freshness(east, IMPORT, "Stale")?;
        watch::until_freshness(east, BRIEF, "Expired")?;
        let last = east.kubectl.get(NAMESPACE, "importedservice", BRIEF)?;
        last.pointer("/status/lastContact").and_then(Value::as_str).context("no lastContact")?;
        until("the brief import to be withdrawn", PATIENCE, || match ask(BRIEF) {
            Ok(Answer { status: 200, body, .. }) => bail!("still answered: {body}"),
            Ok(_) | Err(_) => Ok(()),
        })?;
        web.get_ok(&format!("http://{IMPORT}/items"))?;
        away.end()?;
        for import in [IMPORT, BRIEF] {
            watch::until_freshness(east, import, "Fresh")?;
        }
        until("an answer by the brief import again", PATIENCE, || web.get_ok(&format!("http://{BRIEF}/items")))?;
        Ok(())
    })
}
