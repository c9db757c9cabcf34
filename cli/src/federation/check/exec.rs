//! Looking from inside a cluster: the program itself, run in a pod that has it.

use anyhow::{Context, anyhow};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{AttachParams, ListParams},
};
use tokio::io::AsyncReadExt;

use crate::{
    federation::target::Side,
    probe::{Probe, Seen},
};

/// A container of a pod that holds the program.
pub(super) struct Post {
    api: Api<Pod>,
    pod: String,
    container: &'static str,
}

impl Post {
    /// A running pod with this label.
    pub(super) async fn find(
        side: &Side,
        namespace: &str,
        label: &str,
        container: &'static str,
    ) -> anyhow::Result<Self> {
        let api: Api<Pod> = Api::namespaced(side.client.clone(), namespace);
        let pods = api.list(&ListParams::default().labels(label)).await?;
        let ready = |pod: &&Pod| {
            let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
            conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True")
        };
        let pod = pods.items.iter().find(ready).with_context(|| format!("no pod {namespace}/{label} is ready"))?;
        Ok(Self { pod: pod.name_any(), api, container })
    }

    /// A certain pod.
    pub(super) fn of(side: &Side, namespace: &str, pod: &str, container: &'static str) -> Self {
        Self { api: Api::namespaced(side.client.clone(), namespace), pod: pod.to_owned(), container }
    }

    pub(super) async fn look(&self, probe: &Probe) -> anyhow::Result<Seen> {
        // An image has it on its PATH; the embedded cluster runs this very file.
        let own = std::env::current_exe()?.to_string_lossy().into_owned();
        let mut last = anyhow!("no program");
        for program in [own.as_str(), "isthmus"] {
            match self.run(program, probe).await {
                Ok(seen) => return Ok(seen),
                Err(error) => last = error,
            }
        }
        Err(last.context(format!("running a probe in {}/{}", self.pod, self.container)))
    }

    async fn run(&self, program: &str, probe: &Probe) -> anyhow::Result<Seen> {
        let params = AttachParams::default().container(self.container).stdout(true).stderr(true);
        let command = [program, "probe", &serde_json::to_string(probe)?];
        let mut process = self.api.exec(&self.pod, command, &params).await?;
        let (mut text, mut errors) = (String::new(), String::new());
        let (stdout, stderr) = (process.stdout(), process.stderr());
        let read = async {
            if let Some(mut stdout) = stdout {
                stdout.read_to_string(&mut text).await?;
            }
            anyhow::Ok(())
        };
        let read_errors = async {
            if let Some(mut stderr) = stderr {
                stderr.read_to_string(&mut errors).await?;
            }
            anyhow::Ok(())
        };
        tokio::try_join!(read, read_errors)?;
        process.join().await?;
        serde_json::from_str(&text).map_err(|error| anyhow!("{program} said {:?}{errors:?}: {error}", text.trim()))
    }
}
