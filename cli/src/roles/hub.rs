//! `isthmus hub`.

mod roots;

use std::{net::SocketAddr, sync::Arc};

use clap::Args;
use isthmus_core::federation::MeshName;
use isthmus_federation::{
    hub::{self, Metrics},
    names::{HUB_ADMIN_PORT, HUB_PORT},
};
use isthmus_identity::{MeshTls, TrustStore};
use isthmus_proxy::control::{self, Link};
use isthmus_runtime::{
    admin::Admin,
    build,
    logging::{Format, Handle},
    readiness::Ready,
    signals,
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use self::roots::Roots;
use super::control::ControlArgs;
use crate::args::{LogArgs, Usage};

#[derive(Debug, Args)]
pub(crate) struct HubArgs {
    #[command(flatten)]
    control: ControlArgs,
    /// The mesh that the hub runs in
    #[arg(long, env = "ISTHMUS_MESH", default_value = "isthmus")]
    mesh: MeshName,
    /// Where members are served
    #[arg(long, env = "ISTHMUS_LISTEN", default_value_t = SocketAddr::from(([0, 0, 0, 0], HUB_PORT)))]
    listen: SocketAddr,
    /// Where the admin server listens
    #[arg(long, env = "ISTHMUS_ADMIN", default_value_t = SocketAddr::from(([0, 0, 0, 0], HUB_ADMIN_PORT)))]
    admin: SocketAddr,
}

pub(crate) fn run(log: &LogArgs, args: Box<HubArgs>) -> anyhow::Result<()> {
    let handle = log.for_service(Format::Json, "info")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { serve(*args, handle, signals::shutdown_token()?).await })
}

async fn serve(args: HubArgs, log: Handle, stop: CancellationToken) -> anyhow::Result<()> {
    let control: control::Config = args.control.into();
    control.check().map_err(|error| Usage(error.into()))?;
    let config = hub::Config {
        mesh: args.mesh,
        trust_domain: control.trust_domain.clone(),
        namespace: control.namespace.clone(),
        pod: control.pod.clone(),
        listen: args.listen,
    };
    let registry = prometheus::Registry::new();
    build::register(&registry, "hub")?;
    let metrics = Metrics::register(&registry)?;
    let link = Link::new(control, control::Metrics::new(&registry)?).map_err(|error| Usage(error.into()))?;
    let link = Arc::new(link);
    let ready = Ready::new();
    let (identity, roots) = (ready.register("identity"), ready.register("roots"));
    let _admin = Admin::new(ready.clone(), registry, Some(log)).start(args.admin)?;
    let client = kube::Client::try_from(kube::Config::infer().await?)?;

    // The members' roots are the hub's own matter: to the controller it trusts nobody but its mesh.
    let trusted = Arc::new(TrustStore::with(&link.tls().roots().bundles())?);
    let tls = MeshTls::new(Arc::clone(&trusted), Arc::clone(link.tls().svid()));
    let (told, known) = oneshot::channel();
    let subscriber = Roots::new(config.trust_domain.clone(), trusted, told);
    let hub = async {
        // Without its mesh's roots, and so without a certificate, it isn't worth a lease.
        if stop.run_until_cancelled(known).await.is_none() {
            return Ok(());
        }
        drop(roots);
        hub::run(config, client, tls, metrics, ready.clone(), stop.clone()).await
    };
    let stopping = async {
        stop.cancelled().await;
        ready.stop();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        outcome = hub => Ok(outcome?),
        () = control::run(link, subscriber, identity) => Ok(()),
        () = stopping => Ok(()),
    }
}
