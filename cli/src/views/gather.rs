//! All edges of a resource, of which the API tells one item's at a time.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};

use super::{
    api::{Fault, Ref, Sample, Scope},
    kinds::Resource,
    target::Place,
};

/// How many items are asked about at a time.
const AT_ONCE: usize = 8;

/// What there is, and the traffic between it.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) items: Vec<Ref>,
    pub(super) edges: Vec<Sample>,
}

/// The edges of one item, or of all.
pub(super) async fn gather(place: &Place, resource: &'static Resource, name: Option<&str>) -> Result<Gathered, Fault> {
    if let Some(name) = name {
        let edges = place.api.edges(resource, &place.scope, name).await?;
        return Ok(Gathered { items: Vec::new(), edges });
    }
    // A split is listed once for each backend.
    let items: BTreeSet<Ref> =
        place.api.list(resource, &place.scope).await?.into_iter().map(|sample| sample.resource).collect();
    let of_one = async |item: &Ref| {
        let scope = Scope::Namespace(item.namespace.clone());
        match place.api.edges(resource, &scope, &item.name).await {
            Err(fault) if fault.is_gone() => Ok(Vec::new()),
            edges => edges,
        }
    };
    let edges: Vec<Vec<Sample>> = stream::iter(&items).map(of_one).buffered(AT_ONCE).try_collect().await?;
    Ok(Gathered { edges: edges.into_iter().flatten().collect(), items: items.into_iter().collect() })
}
