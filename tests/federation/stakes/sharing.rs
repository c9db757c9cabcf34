//! What is shared: what both sides agreed on, and nothing else.

use anyhow::{Context, bail};
use isthmus_tests::wait::{expect_eq, until};
use serde_json::Value;

use crate::{
    manifest,
    pod::{Answer, Pod},
    scene::{IMPORT, NAMESPACE, PATIENCE, Scene},
    watch,
};

/// Neither an import without an export makes a service callable, nor an export without an import; both do.
pub(crate) fn by_export_and_import(scene: &Scene) -> anyhow::Result<()> {
    scene.shared()?;
    let (east, west) = (scene.east(), scene.west());
    let web = Pod::of(east, "web")?;
    let url = format!("http://{IMPORT}/items");
    let service_of = |name: &str| east.kubectl.try_run(&["get", "service", "-n", NAMESPACE, name], None);

    // Only the export: nobody in east has asked for it.
    east.kubectl.run(&["delete", "importedservice", "-n", NAMESPACE, IMPORT])?;
    until("the import's Service to be gone", PATIENCE, || {
        if service_of(IMPORT)?.code == 0 { bail!("it is still there") } else { Ok(()) }
    })?;
    unanswered(&web, &url)?;

    // Only the import: what west doesn't offer is named, with whom to ask.
    west.kubectl.run(&["delete", "exportedservice", "-n", NAMESPACE, "catalog"])?;
    east.kubectl.apply(NAMESPACE, manifest::IMPORT)?;
    let object = format!("importedservice/{IMPORT}");
    let told = watch::until_condition(east, &object, "ResolvedRefs", "False", Some("ExportNotFound"))?;
    if !told.contains("west") || !told.contains("catalog") {
        bail!("ExportNotFound names neither mesh nor service: {told}");
    }
    unanswered(&web, &url)?;

    // Both.
    scene.shared()
}

fn unanswered(web: &Pod, url: &str) -> anyhow::Result<()> {
    match web.get(url) {
        Ok(Answer { status: 200, body, .. }) => bail!("{url} is answered, though not both have agreed: {body}"),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// A Service that is there already keeps its name and all that it is; the import says so, and takes the name once it is free.
pub(crate) fn name_conflict(scene: &Scene) -> anyhow::Result<()> {
    const TAKEN: &str = "prices";
    scene.shared()?;
    let east = scene.east();
    let own = format!(
        "
apiVersion: v1
kind: Service
metadata: {{ name: {TAKEN} }}
spec: {{ selector: {{ app: web }}, ports: [{{ name: http, port: 80, targetPort: http }}] }}
"
    );
    east.kubectl.apply(NAMESPACE, &own)?;
    let spec = |service: Value| service.get("spec").cloned().context("no spec");
    let before = spec(east.kubectl.get(NAMESPACE, "service", TAKEN)?)?;
    let import = format!(
        "
apiVersion: federation.isthmus.mesh/v1alpha1
kind: ImportedService
metadata: {{ name: {TAKEN} }}
spec: {{ from: {{ mesh: west, service: catalog }} }}
"
    );
    east.kubectl.apply(NAMESPACE, &import)?;
    let object = format!("importedservice/{TAKEN}");
    let told = watch::until_condition(east, &object, "ResolvedRefs", "False", Some("NameConflict"))?;
    if !told.contains(TAKEN) {
        bail!("NameConflict doesn't name the Service: {told}");
    }
    expect_eq("the Service that was there", spec(east.kubectl.get(NAMESPACE, "service", TAKEN)?)?, before)?;
    east.kubectl.run(&["delete", "service", "-n", NAMESPACE, TAKEN])?;
    watch::until_condition(east, &object, "ResolvedRefs", "True", None)?;
    let web = Pod::of(east, "web")?;
    until("the import under the name that is free now", PATIENCE, || web.get_ok(&format!("http://{TAKEN}/items")))?;
    east.kubectl.run(&["delete", "importedservice", "-n", NAMESPACE, TAKEN]).map(drop)
}
