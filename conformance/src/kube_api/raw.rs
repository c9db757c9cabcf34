//! Requests as a case writes them, with whatever status comes.

use http::{
    Request,
    header::{ACCEPT, CONTENT_TYPE},
};
use http_body_util::BodyExt;
use serde_json::Value;

use super::Cluster;
use crate::Error;

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    Json,
    MergePatch,
    JsonPatch,
}

impl Body {
    fn media(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::MergePatch => "application/merge-patch+json",
            Self::JsonPatch => "application/json-patch+json",
        }
    }
}

impl Cluster {
    /// Asks the API server: the status and the document of its answer. One that isn't JSON is a text.
    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<(Body, Value)>,
    ) -> Result<(u16, Value), Error> {
        let failed = Error::cluster(format!("{method} {path}"));
        let mut request = Request::builder().method(method).uri(path).header(ACCEPT, "application/json");
        if let Some((kind, _)) = &body {
            request = request.header(CONTENT_TYPE, kind.media());
        }
        let bytes = body.map(|(_, document)| document.to_string().into_bytes()).unwrap_or_default();
        let request = match request.body(kube::client::Body::from(bytes)) {
            Ok(request) => request,
            Err(error) => return Err(failed(kube::Error::HttpError(error))),
        };
        let answered = async {
            let response = self.client.send(request).await?;
            let status = response.status().as_u16();
            Ok((status, response.into_body().collect().await?.to_bytes()))
        };
        let (status, bytes) = answered.await.map_err(failed)?;
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_else(|_| text())))
    }
}
