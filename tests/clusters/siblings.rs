//! Clusters of one mesh are to each other what other meshes are: an export and an import, through both gateways.

use anyhow::Context;
use isthmus_tests::{
    meshes::Clusters,
    wait::{expect_eq, until},
};
use serde_json::Value;

use crate::{
    pod::Pod,
    scene::{NAMESPACE, PATIENCE, Scene, until_endpoints},
};

/// The other cluster's catalog, by the own mesh's name: it needs no MeshPeer.
pub(crate) const IMPORT: &str = "
apiVersion: federation.isthmus.mesh/v1alpha1
kind: ImportedService
metadata: { name: catalog-others }
spec: { from: { mesh: west, service: catalog } }
";

/// Web of this mesh, in whichever cluster it runs.
pub(crate) const LET_IN: &str = "
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: { name: web }
spec:
  destination: { kind: ServiceAccount, name: catalog }
  sources: [{ kind: ServiceAccount, name: web }]
  rules: [{ kind: HTTPRouteGroup, name: catalog }]
";

/// What a calls is b's, and b sees a's own caller.
pub(crate) fn import(scene: &Scene) -> anyhow::Result<()> {
    let Clusters { a, b, .. } = &scene.meshes;
    a.kubectl.apply(NAMESPACE, IMPORT)?;
    until_endpoints(a, "catalog-others", 1)?;
    let web = Pod::of(a, "web")?;
    let url = "http://catalog-others/items";
    until("the callee to refuse who isn't let in", PATIENCE, || {
        let answer = web.get(url)?;
        expect_eq("answer", (answer.status, answer.denied.as_deref()), (403, Some("no-grant")))
    })?;
    b.kubectl.apply(NAMESPACE, LET_IN)?;
    let answer = until("an answer from the other cluster", PATIENCE, || web.get_ok(url))?;
    let text = |key: &str| answer.get(key).and_then(Value::as_str).with_context(|| format!("no {key}: {answer}"));
    expect_eq("who answered", text("version")?, "b")?;
    expect_eq("who was seen", text("caller")?, "spiffe://west.local/ns/shop/sa/web")
}
