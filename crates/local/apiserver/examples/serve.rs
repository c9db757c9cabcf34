//! An API server by itself, for trying things by hand: `cargo run -p isthmus-local-apiserver --example serve -- DIR`.
//! Writes `DIR/kubeconfig`, serves on a free port of loopback until Ctrl-C, and keeps its objects in `DIR/data`.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use isthmus_local_apiserver::{ApiServer, CancellationToken, Config, Limits, Pki};
use isthmus_local_callout::HostDial;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("name a directory")?);
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let pki = Pki::load_or_create(Some(&dir.join("pki")), &["localhost".to_owned()], &[address])?;
    let server = ApiServer::new(Config {
        data_dir: Some(dir.join("data")),
        pki,
        service_cidr: "10.43.0.0/16".parse()?,
        pod_dialer: Arc::new(HostDial),
        limits: Limits::default(),
    })?;
    let listener = TcpListener::bind((address, 0)).await?;
    let kubeconfig = dir.join("kubeconfig");
    std::fs::write(&kubeconfig, server.kubeconfig(&format!("https://{}", listener.local_addr()?)))?;
    println!("export KUBECONFIG={}", kubeconfig.display());
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stopping.cancel();
        }
    });
    server.serve(listener, stop).await;
    Ok(())
}
