//! Between the version that is stored and the version that a request speaks.

mod events;

use std::sync::Arc;

use futures::future::BoxFuture;
use isthmus_local_callout::Callout;
use isthmus_local_callout::admission::{Convert, Equivalents};
use isthmus_local_machinery::status::ApiError;
use serde_json::{Value, json};

use crate::core::Core;
use crate::registry::{Conversion, Kind};

/// Stored objects in the version of `kind`, in the same order.
pub(crate) async fn from_storage(
    core: &Core,
    kind: &Kind,
    objects: Vec<Arc<Value>>,
) -> Result<Vec<Arc<Value>>, ApiError> {
    let wanted = kind.resource.api_version();
    let Some(custom) = &kind.custom else {
        if kind.resource.plural == "events" && !kind.resource.group.is_empty() {
            return Ok(objects.iter().map(|event| Arc::new(events::to_new(event))).collect());
        }
        return Ok(objects);
    };
    let same = objects.iter().all(|object| version_of(object) == wanted);
    if same && !custom.has_defaults {
        return Ok(objects);
    }
    let objects = if same {
        objects.into_iter().map(Arc::unwrap_or_clone).collect()
    } else {
        let objects = objects.into_iter().map(Arc::unwrap_or_clone).collect();
        convert(&core.callouts.callout, &custom.conversion, objects, &wanted).await?
    };
    let with_defaults = objects.into_iter().map(|mut object| {
        kind.schema.fill_defaults(&mut object);
        Arc::new(object)
    });
    Ok(with_defaults.collect())
}

/// One stored object in the version of `kind`.
pub(crate) async fn one_from_storage(core: &Core, kind: &Kind, object: Arc<Value>) -> Result<Arc<Value>, ApiError> {
    let mut converted = from_storage(core, kind, vec![object]).await?;
    converted.pop().ok_or_else(|| ApiError::internal("a conversion returned nothing"))
}

/// An object of the request's version in the version that is stored.
pub(crate) async fn to_storage(core: &Core, kind: &Kind, object: Value) -> Result<Value, ApiError> {
    let Some(custom) = &kind.custom else {
        let new_event = kind.resource.plural == "events" && !kind.resource.group.is_empty();
        return Ok(if new_event { events::to_old(&object) } else { object });
    };
    let wanted = format!("{}/{}", kind.resource.group, custom.storage_version);
    if version_of(&object) == wanted {
        return Ok(object);
    }
    let mut converted = convert(&core.callouts.callout, &custom.conversion, vec![object], &wanted).await?;
    converted.pop().ok_or_else(|| ApiError::internal("a conversion returned nothing"))
}

async fn convert(
    callout: &Callout,
    conversion: &Conversion,
    mut objects: Vec<Value>,
    wanted: &str,
) -> Result<Vec<Value>, ApiError> {
    match conversion {
        Conversion::Webhook(crd) => callout.convert(crd, objects, wanted).await,
        Conversion::None => {
            for map in objects.iter_mut().filter_map(Value::as_object_mut) {
                map.insert("apiVersion".to_owned(), json!(wanted));
            }
            Ok(objects)
        }
    }
}

/// The other served versions of a kind, for admission webhooks that want to see those.
pub(crate) fn equivalents(core: &Core, kind: &Kind) -> Equivalents {
    let Some(custom) = &kind.custom else { return Equivalents::default() };
    let catalog = core.registry.now();
    let other = |other: &&Arc<Kind>| {
        other.custom.as_ref().is_some_and(|it| it.crd == custom.crd) && other.resource.version != kind.resource.version
    };
    let versions = catalog.kinds.iter().filter(other).map(|other| other.resource.version.clone()).collect();
    let converter = Converter { callout: core.callouts.callout.clone(), conversion: custom.conversion.clone() };
    Equivalents::new(versions, Arc::new(converter))
}

/// The conversion of one CRD, for admission.
struct Converter {
    callout: Callout,
    conversion: Conversion,
}

impl Convert for Converter {
    fn convert<'a>(&'a self, object: Value, api_version: &'a str) -> BoxFuture<'a, Result<Value, ApiError>> {
        Box::pin(async move {
            let mut converted = convert(&self.callout, &self.conversion, vec![object], api_version).await?;
            converted.pop().ok_or_else(|| ApiError::internal("a conversion returned nothing"))
        })
    }
}

fn version_of(object: &Value) -> &str {
    object.get("apiVersion").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests;
