//! The server as `kube` sees it.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests fail as tests do"
)]

mod auth;
mod custom;
mod namespaces;
mod objects;
mod panics;
mod pods;
#[path = "../support/server.rs"]
mod server;
mod services;
mod watches;
mod webhooks;
mod wire;

use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use server::Server;

/// A client with the administrator's certificate.
async fn admin(server: &Server) -> Client {
    client(&server.api.kubeconfig(&server.url)).await
}

async fn client(kubeconfig: &str) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    // What the server says is what is tested.
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

/// The code of a refusal.
fn code<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> u16 {
    match result {
        Err(kube::Error::Api(status)) => status.code,
        other => panic!("not refused: {other:?}"),
    }
}
