//! The endpoints behind the Service `kubernetes`: where pods find the API server.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Endpoints;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::Config;

const RETRY: Duration = Duration::from_millis(500);
/// Somebody may have deleted them.
const REPAIR: Duration = Duration::from_secs(30);

pub(super) async fn run(config: Arc<Config>) {
    let Some(address) = config.api else { return };
    loop {
        let done = write(&config, address).await;
        if let Err(error) = &done {
            tracing::debug!(%error, "the API server's endpoints can't be written yet");
        }
        tokio::time::sleep(if done.is_ok() { REPAIR } else { RETRY }).await;
    }
}

async fn write(config: &Config, address: SocketAddrV4) -> Result<(), kube::Error> {
    let params = PatchParams::apply("isthmus-local").force();
    let slices: Api<EndpointSlice> = Api::namespaced(config.client.clone(), "default");
    slices.patch("kubernetes", &params, &Patch::Apply(slice(address))).await?;
    let endpoints: Api<Endpoints> = Api::namespaced(config.client.clone(), "default");
    endpoints.patch("kubernetes", &params, &Patch::Apply(legacy(address))).await?;
    Ok(())
}

fn slice(address: SocketAddrV4) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": { "name": "kubernetes", "labels": { "kubernetes.io/service-name": "kubernetes" } },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": [address.ip()], "conditions": { "ready": true } }],
        "ports": [{ "name": "https", "port": address.port(), "protocol": "TCP" }],
    })
}

fn legacy(address: SocketAddrV4) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": { "name": "kubernetes", "labels": { "endpointslice.kubernetes.io/skip-mirror": "true" } },
        "subsets": [{
            "addresses": [{ "ip": address.ip() }],
            "ports": [{ "name": "https", "port": address.port(), "protocol": "TCP" }],
        }],
    })
}
