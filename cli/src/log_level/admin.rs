//! The admin server in a pod, through the API server: it lets only its own pod change anything.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Request, header::HOST};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::Api;

/// How long a pod has to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most bytes of an answer.
const LONGEST: usize = 64 << 10;
/// As a sidecar's port is called, in whatever pod it is.
const SIDECAR: &str = "isthmus-admin";
/// The same of a pod that is the mesh's own, which has a name that begins so.
const OWN: (&str, &str) = ("admin", "isthmus-");

/// The container of the mesh, and its admin server's port.
pub(super) fn port(pod: &Pod) -> anyhow::Result<(String, u16)> {
    let own = pod.metadata.name.as_deref().is_some_and(|name| name.starts_with(OWN.1));
    let spec = pod.spec.as_ref().context("it has no spec")?;
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let of = |container: &Container| {
        let named = |name: &str| name == SIDECAR || own && name == OWN.0;
        let port = container.ports.iter().flatten().find(|port| port.name.as_deref().is_some_and(named))?;
        Some((container.name.clone(), u16::try_from(port.container_port).ok()?))
    };
    containers.into_iter().find_map(of).context("it has no sidecar: is it in the mesh, and was it started since?")
}

/// Tells the filter; with a new one, after that was set.
pub(super) async fn exchange(api: &Api<Pod>, pod: &str, port: u16, new: Option<&str>) -> anyhow::Result<String> {
    tokio::time::timeout(PATIENCE, ask(api, pod, port, new)).await.context("no answer in time")?
}

async fn ask(api: &Api<Pod>, pod: &str, port: u16, new: Option<&str>) -> anyhow::Result<String> {
    let mut way = api.portforward(pod, &[port]).await.context("no way into it (pods/portforward)")?;
    let stream = way.take_stream(port).context("no way into it")?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let asked = async move {
        let request = if new.is_some() { Request::put("/log-level") } else { Request::get("/log-level") };
        let body = Full::new(Bytes::copy_from_slice(new.unwrap_or_default().as_bytes()));
        let answer = sender.send_request(request.header(HOST, "admin").body(body)?).await?;
        let status = answer.status();
        let text = Limited::new(answer.into_body(), LONGEST).collect().await.map_err(anyhow::Error::from_boxed)?;
        let text = String::from_utf8_lossy(&text.to_bytes()).trim().to_owned();
        if !status.is_success() {
            bail!("it refuses: {text}");
        }
        Ok(text)
    };
    tokio::select! {
        answer = asked => answer,
        ended = connection => match ended {
            Ok(()) => bail!("it hung up"),
            Err(error) => Err(error.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(name: &str, containers: Value, init: Value) -> Pod {
        let spec = json!({ "containers": containers, "initContainers": init });
        serde_json::from_value(json!({ "metadata": { "name": name }, "spec": spec })).unwrap()
    }

    fn container(name: &str, port: &str) -> Value {
        json!({ "name": name, "ports": [{ "name": "http", "containerPort": 80 }, { "name": port, "containerPort": 15020 }] })
    }

    #[test]
    fn the_meshs_own_container_is_found_and_no_other() {
        let sidecar = container("isthmus-proxy", "isthmus-admin");
        let found = |name, containers, init| port(&pod(name, containers, init)).ok();
        let told = Some(("isthmus-proxy".to_owned(), 15020));
        assert_eq!(found("web-1", json!([container("web", "admin"), sidecar]), json!([])), told);
        assert_eq!(found("web-1", json!([container("web", "admin")]), json!([sidecar])), told);
        // An application may call a port of its own so.
        assert_eq!(found("web-1", json!([container("web", "admin")]), json!([])), None);
        let controller = json!([container("controller", "admin")]);
        assert_eq!(found("isthmus-controller-1", controller, json!([])), Some(("controller".to_owned(), 15020)));
    }
}
