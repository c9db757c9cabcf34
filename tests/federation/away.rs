//! A part of a control plane that isn't there for a while.

use isthmus_tests::meshes::Mesh;

use crate::scene::{SYSTEM, rolled_out_in};

/// While it lives the Deployment has no pod.
pub(crate) struct Away<'a> {
    mesh: &'a Mesh,
    deployment: &'static str,
}

impl<'a> Away<'a> {
    pub(crate) fn controller(mesh: &'a Mesh) -> anyhow::Result<Self> {
        Self::begin(mesh, "isthmus-controller")
    }

    pub(crate) fn hub(mesh: &'a Mesh) -> anyhow::Result<Self> {
        Self::begin(mesh, "isthmus-hub")
    }

    /// Returns when the last pod has gone.
    fn begin(mesh: &'a Mesh, deployment: &'static str) -> anyhow::Result<Self> {
        let away = Self { mesh, deployment };
        away.scale("--replicas=0")?;
        let label = format!("app.kubernetes.io/name={deployment}");
        mesh.kubectl.run(&["wait", "-n", SYSTEM, "--for=delete", "pod", "-l", &label, "--timeout=120s"])?;
        Ok(away)
    }

    /// Returns when there is one again, and it is ready.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        self.scale("--replicas=1")?;
        rolled_out_in(self.mesh, SYSTEM, &format!("deployment/{}", self.deployment))
    }

    fn scale(&self, replicas: &str) -> anyhow::Result<()> {
        let deployment = format!("deployment/{}", self.deployment);
        self.mesh.kubectl.run(&["scale", "-n", SYSTEM, &deployment, replicas]).map(drop)
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        // After `end` nothing is changed by it.
        if let Err(error) = self.scale("--replicas=1") {
            println!("{error:#}");
        }
    }
}
