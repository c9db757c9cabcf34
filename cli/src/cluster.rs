//! Which cluster a command is about.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use clap::Args;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// How long the API server may take to accept a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// How a cluster is named on the command line, as for kubectl.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClusterArgs {
    /// Kubeconfig of the cluster [default: $KUBECONFIG, else ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: its current one]
    #[arg(long)]
    pub(crate) context: Option<String>,
}

impl ClusterArgs {
    /// A client of the cluster. Its default namespace is the context's.
    pub(crate) async fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::try_from(self.config().await?)?)
    }

    /// The same for views: what is down is said at once, not after half a minute of tries.
    pub(crate) async fn impatient_client(&self) -> anyhow::Result<Client> {
        let mut config = self.config().await?;
        config.default_retry = false;
        Ok(Client::try_from(config)?)
    }

    async fn config(&self) -> anyhow::Result<Config> {
        let kubeconfig = match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path).with_context(|| format!("--kubeconfig {}", path.display())),
            None => Kubeconfig::read().context("no kubeconfig; set KUBECONFIG, or give --kubeconfig"),
        }?;
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await.context("kubeconfig")?;
        config.connect_timeout = Some(CONNECT_WITHIN);
        Ok(config)
    }
}
