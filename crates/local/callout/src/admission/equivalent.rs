//! A request as a webhook of another version of its kind sees it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use isthmus_local_machinery::status::ApiError;
use serde_json::Value;

use super::Request;

/// Converts objects between the versions of one kind. Who serves the kind knows how.
pub trait Convert: Send + Sync {
    /// Gives `object` in another version, `api_version` being `group/version`.
    ///
    /// # Errors
    /// Whatever kept the conversion from being made; the request fails with it.
    fn convert<'a>(&'a self, object: Value, api_version: &'a str) -> BoxFuture<'a, Result<Value, ApiError>>;
}

/// The other versions in which the object of a request is served; none by default.
#[derive(Clone, Default)]
pub struct Equivalents {
    versions: Vec<String>,
    convert: Option<Arc<dyn Convert>>,
}

impl Equivalents {
    /// Versions (`v1alpha4`) of the request's own group, in order of preference, and the way to them.
    pub fn new(versions: Vec<String>, convert: Arc<dyn Convert>) -> Self {
        Self { versions, convert: Some(convert) }
    }

    pub(super) fn versions(&self) -> impl Iterator<Item = &str> {
        self.versions.iter().map(String::as_str)
    }
}

impl fmt::Debug for Equivalents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.versions).finish()
    }
}

/// What one webhook is told of the objects.
pub(super) struct View<'a> {
    pub(super) version: &'a str,
    pub(super) object: Option<Cow<'a, Value>>,
    pub(super) old: Option<Cow<'a, Value>>,
}

impl<'a> View<'a> {
    /// The request's objects in `version`, with `object` as the webhooks before left it.
    pub(super) async fn of(
        request: &'a Request,
        version: &'a str,
        object: Option<&'a Value>,
    ) -> Result<Self, ApiError> {
        let seen = async |object: Option<&'a Value>| match object {
            Some(object) if version != request.resource.version => {
                to_version(request, object.clone(), version).await.map(|object| Some(Cow::Owned(object)))
            }
            other => Ok(other.map(Cow::Borrowed)),
        };
        Ok(Self { version, object: seen(object).await?, old: seen(request.old_object.as_deref()).await? })
    }

    /// An object of the view in the request's version again.
    pub(super) async fn back(&self, request: &Request, object: Value) -> Result<Value, ApiError> {
        if self.version == request.resource.version {
            return Ok(object);
        }
        to_version(request, object, &request.resource.version).await
    }
}

async fn to_version(request: &Request, object: Value, version: &str) -> Result<Value, ApiError> {
    match &request.equivalents.convert {
        Some(convert) => convert.convert(object, &format!("{}/{version}", request.resource.group)).await,
        None => Ok(object),
    }
}
