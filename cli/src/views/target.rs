//! Which cluster, namespace and window a view is of.

use clap::Args;

use super::{
    api::{MetricsApi, Query, Scope, Side},
    kinds::Resource,
    quantity,
};
use crate::cluster::ClusterArgs;

#[derive(Debug, Args)]
pub(crate) struct Target {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Namespace [default: the context's]
    #[arg(short, long)]
    namespace: Option<String>,
    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Only items with these labels, as of kubectl
    #[arg(short = 'l', long)]
    selector: Option<String>,
    /// How far back to look, such as 30s, 5m or 1h
    #[arg(long, visible_short_alias = 't', default_value = "30s", value_parser = quantity::window, value_name = "DURATION")]
    window: String,
}

/// The metrics API of a cluster, and where to look in it.
pub(super) struct Place {
    pub(super) api: MetricsApi,
    pub(super) scope: Scope,
}

impl Target {
    pub(super) async fn place(&self, side: Option<Side>) -> anyhow::Result<Place> {
        let client = self.cluster.impatient_client().await?;
        let own = || Scope::Namespace(self.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned()));
        let scope = if self.all_namespaces { Scope::All } else { own() };
        let query = Query { window: self.window.clone(), selector: self.selector.clone(), side };
        Ok(Place { api: MetricsApi::new(client, query), scope })
    }

    /// For people, where there is nothing to see: what there is none of, and where else to look.
    pub(super) fn nothing(&self, what: &str, resource: &Resource, scope: &Scope) -> String {
        let window = quantity::duration(&self.window).map_or_else(|| self.window.clone(), quantity::words);
        let (place, elsewhere) = match scope {
            Scope::Namespace(namespace) if resource.namespaced => {
                (format!(" in namespace {namespace}"), ", all namespaces: -A")
            }
            _ => (String::new(), ""),
        };
        format!("No {what} of {}{place} in the last {window}. (Longer: --window 10m{elsewhere})\n", resource.plural)
    }
}
