//! Which objects there are: asked of Kubernetes at each request, so that labels, and what has just come or gone, are its own
//! word, and no memory is spent on kinds that nobody asks for.

use std::time::Duration;

use isthmus_core::id::ObjectName;
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams},
};

use super::{
    kind::Kind,
    request::{Ask, GROUP},
    status::Failure,
};

/// How long Kubernetes may take.
pub(super) const LIMIT: Duration = Duration::from_secs(5);

/// The objects that are asked for: one, or those of the list.
pub(crate) async fn find(client: &Client, ask: &Ask) -> Result<Vec<ObjectName>, Failure> {
    let late = |_| {
        Failure::unavailable(format!("Kubernetes didn't say within {LIMIT:?} which {} there are", ask.kind.plural()))
    };
    tokio::time::timeout(LIMIT, look(client, ask)).await.map_err(late)?
}

async fn look(client: &Client, ask: &Ask) -> Result<Vec<ObjectName>, Failure> {
    let resource = ask.kind.resource();
    let api: Api<DynamicObject> = match &ask.namespace {
        Some(namespace) if ask.kind.is_namespaced() => Api::namespaced_with(client.clone(), namespace, &resource),
        _ => Api::all_with(client.clone(), &resource),
    };
    let namespace = |found: Option<String>| found.or_else(|| ask.namespace.clone()).unwrap_or_default();
    if let Some(name) = &ask.name {
        let found = api.get_metadata_opt(name).await.map_err(|error| failure(ask.kind, &error))?;
        let missing = || Failure::not_found(format!("{}.{GROUP} {name:?} not found", ask.kind.plural()));
        let found = found.ok_or_else(missing)?;
        return Ok(vec![ObjectName::new(namespace(found.namespace()), found.name_any())]);
    }
    let mut params = ListParams::default();
    params.label_selector.clone_from(&ask.selector);
    let list = match api.list_metadata(&params).await {
        Ok(list) => list.items,
        // The cluster has no such kind: then there are none of it.
        Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
        Err(error) => return Err(failure(ask.kind, &error)),
    };
    let names = list.into_iter().map(|object| ObjectName::new(namespace(object.namespace()), object.name_any()));
    let mut names: Vec<_> = names.filter(|name| ask.only.as_ref().is_none_or(|only| *only == *name.name)).collect();
    names.sort();
    Ok(names)
}

fn failure(kind: Kind, error: &kube::Error) -> Failure {
    match error {
        kube::Error::Api(status) if status.code == 400 => Failure::bad_request(status.message.clone()),
        error => Failure::unavailable(format!("Kubernetes doesn't say which {} there are: {error}", kind.plural())),
    }
}
