//! Asking the API server.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::scene::Scene;
use crate::{
    Error,
    case::{ApiCall, Send},
    expected::mismatch,
    kube_api::{Body, Cluster},
    meshes::Side,
    report::{Asked, Failure},
};

const BETWEEN_TRIES: Duration = Duration::from_millis(250);

impl Scene<'_> {
    /// Asks; what only reads, until the answer is as expected or the time is over.
    pub(super) async fn api(&mut self, number: usize, side: Side, ask: &ApiCall) -> Result<Option<Failure>, Error> {
        let cluster = self.on(side)?;
        let path = self.filled(&ask.path.as_str().into());
        let path = path.as_str().unwrap_or_default();
        let expected = ask.is.as_ref().map(|is| self.filled(is));
        if ask.send.is_some() {
            self.settled = false;
        }
        let deadline = Instant::now() + self.timeout();
        loop {
            let (status, answer) = self.sent(&cluster, path, ask.send.as_ref()).await?;
            let why = match &expected {
                _ if !is_status(ask.status, status) => Some(format!("the answer's status is {status}")),
                Some(expected) => mismatch(expected, &answer),
                None => None,
            };
            let Some(why) = why else { return Ok(None) };
            if ask.send.is_some() || Instant::now() >= deadline {
                let asked = Asked {
                    request: format!("{} {path}", ask.send.as_ref().map_or("GET", Send::method)),
                    expected: expected_words(ask.status, expected.as_ref()),
                    seen: answer.to_string(),
                    as_expected: false,
                };
                return Ok(Some(self.failure(number, why, vec![asked]).await));
            }
            sleep(BETWEEN_TRIES).await;
        }
    }

    async fn sent(&self, cluster: &Cluster, path: &str, send: Option<&Send>) -> Result<(u16, Value), Error> {
        let filled = |value: &Value| self.filled(value);
        match send {
            None => cluster.request("GET", path, None).await,
            Some(Send::Delete {}) => cluster.request("DELETE", path, None).await,
            Some(Send::Create(object)) => cluster.request("POST", path, Some((Body::Json, filled(object)))).await,
            Some(Send::MergePatch(patch)) => {
                cluster.request("PATCH", path, Some((Body::MergePatch, filled(patch)))).await
            }
            Some(Send::JsonPatch(patch)) => {
                cluster.request("PATCH", path, Some((Body::JsonPatch, filled(patch)))).await
            }
            Some(Send::Typed(fields)) => {
                let (status, mut object) = cluster.request("GET", path, None).await?;
                if status != 200 {
                    return Ok((status, object));
                }
                if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), filled(fields)) {
                    object.retain(|name, _| matches!(name.as_str(), "apiVersion" | "kind" | "metadata"));
                    object.extend(fields);
                }
                cluster.request("PUT", path, Some((Body::Json, object))).await
            }
        }
    }
}

impl Send {
    fn method(&self) -> &'static str {
        match self {
            Self::MergePatch(_) | Self::JsonPatch(_) => "PATCH",
            Self::Create(_) => "POST",
            Self::Typed(_) => "PUT",
            Self::Delete {} => "DELETE",
        }
    }
}

fn is_status(wanted: Option<u16>, status: u16) -> bool {
    wanted.map_or((200..300).contains(&status), |wanted| wanted == status)
}

fn expected_words(status: Option<u16>, document: Option<&Value>) -> String {
    let status = status.map_or_else(|| "success".to_owned(), |status| status.to_string());
    document.map_or_else(|| status.clone(), |document| format!("{status}, {document}"))
}
