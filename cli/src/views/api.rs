//! The SMI metrics API of whichever mesh serves it.

mod body;
mod fault;
mod path;
mod sample;

use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use kube::{Client, client::Body};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::kinds::Resource;
pub(crate) use fault::Fault;
pub(crate) use path::{Query, Scope, escape};
#[cfg(test)]
pub(crate) use sample::{Backend, Edge};
pub(crate) use sample::{Golden, Ref, Sample, Side, clean};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an answer may be: some ten thousand items.
const LONGEST_ANSWER: usize = 32 << 20;

/// Asks the API.
#[derive(Clone)]
pub(crate) struct MetricsApi {
    client: Client,
    query: Query,
}

impl MetricsApi {
    pub(crate) fn new(client: Client, query: Query) -> Self {
        Self { client, query }
    }

    /// Every item of a resource.
    pub(crate) async fn list(&self, resource: &'static Resource, scope: &Scope) -> Result<Vec<Sample>, Fault> {
        let path = path::list(resource, scope, &self.query);
        let list: body::List = self.ask(&path, resource, None).await?;
        Ok(list.items.into_iter().map(Sample::from).collect())
    }

    /// One by its name; a split has an item for each backend, and servers give those as a list or one of them.
    pub(crate) async fn get(
        &self,
        resource: &'static Resource,
        scope: &Scope,
        name: &str,
    ) -> Result<Vec<Sample>, Fault> {
        let answer: Value = self.ask(&path::one(resource, scope, name, &self.query)?, resource, Some(name)).await?;
        if answer.get("items").is_some() {
            let list: body::List = serde_json::from_value(answer)?;
            return Ok(list.items.into_iter().map(Sample::from).collect());
        }
        Ok(vec![serde_json::from_value::<body::Item>(answer)?.into()])
    }

    /// Who calls it, and whom it calls.
    pub(crate) async fn edges(
        &self,
        resource: &'static Resource,
        scope: &Scope,
        name: &str,
    ) -> Result<Vec<Sample>, Fault> {
        let path = path::edges(resource, scope, name, &self.query)?;
        let list: body::List = self.ask(&path, resource, Some(name)).await?;
        Ok(list.items.into_iter().map(Sample::from).collect())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        resource: &'static Resource,
        name: Option<&str>,
    ) -> Result<T, Fault> {
        let (status, text) = self.fetch(path).await?;
        if status.is_success() {
            return Ok(serde_json::from_str(&text)?);
        }
        // What isn't served at all is refused in the words of whatever else is there.
        let served = match status {
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => self.fetch(path::ROOT).await?,
            _ => (StatusCode::OK, String::new()),
        };
        Err(fault::judge(status, &text, (served.0, &served.1), resource, name))
    }

    async fn fetch(&self, path: &str) -> Result<(StatusCode, String), Fault> {
        let request = Request::get(path).header("accept", "application/json").body(Body::empty())?;
        let exchange = async {
            let response = self.client.send(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
            let bytes = body.map_err(|error| Fault::CutOff(error.to_string()))?.to_bytes();
            Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
        };
        tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| Fault::Silent(PATIENCE.as_secs()))?
    }
}

#[cfg(test)]
mod tests;
