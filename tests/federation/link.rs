//! The link between the two clusters, and what a network can do to it.

use anyhow::{Context, anyhow};
use isthmus_tests::{
    meshes::Mesh,
    wait::{expect_eq, until},
};
use serde_json::{Value, json};

use crate::scene::PATIENCE;

const NAMESPACE: &str = "kube-system";
const NAME: &str = "isthmus-links";
/// The pointer to what the node says that it does.
const IN_EFFECT: &str = "/metadata/annotations/isthmus-local~1in-effect";

/// Faults of a mesh's link to the other, for as long as this lives.
pub(crate) struct Fault<'a>(&'a Mesh);

impl<'a> Fault<'a> {
    /// Returns when they are in effect. Each fault is as in `docs/local-cluster.md`.
    pub(crate) fn begin(mesh: &'a Mesh, faults: &Value) -> anyhow::Result<Self> {
        let fault = Self(mesh);
        fault.set(faults)?;
        Ok(fault)
    }

    /// Returns when the link is whole again.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        self.set(&json!([]))
    }

    fn set(&self, faults: &Value) -> anyhow::Result<()> {
        let text = faults.to_string();
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": NAME }, "data": { "faults": text }
        });
        self.0.kubectl.apply(NAMESPACE, &map.to_string())?;
        until("the link to have these faults", PATIENCE, || {
            let map = self.0.kubectl.get(NAMESPACE, "configmap", NAME)?;
            let seen = map.pointer(IN_EFFECT).and_then(Value::as_str).context("nothing is said to be in effect")?;
            // Waiting won't make it better.
            if seen.starts_with("refused") {
                Ok(Err(anyhow!("{seen}")))
            } else {
                expect_eq("faults", seen, text.as_str()).map(Ok)
            }
        })?
    }
}

impl Drop for Fault<'_> {
    fn drop(&mut self) {
        // After `end` nothing is changed by it.
        if let Err(error) = self.set(&json!([])) {
            println!("{error:#}");
        }
    }
}
