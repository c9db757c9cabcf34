//! A pod that calls whom it is told to, by `kubectl port-forward`, which enters the pod itself and so passes no proxy.

use anyhow::{Context, bail};
use isthmus_tests::{http, kubectl::PortForward, meshes::Mesh};
use serde_json::{Value, json};

use crate::scene::NAMESPACE;

/// Where the programs listen.
pub(crate) const PORT: u16 = 8080;

/// The way into one pod of a Deployment.
pub(crate) struct Pod(PortForward);

/// What a call came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u64,
    /// The code by which a proxy refused it.
    pub(crate) denied: Option<String>,
    pub(crate) body: Value,
}

impl Pod {
    pub(crate) fn of(mesh: &Mesh, deployment: &str) -> anyhow::Result<Self> {
        Ok(Self(mesh.kubectl.port_forward(NAMESPACE, &format!("deployment/{deployment}"), PORT)?))
    }

    /// Makes it ask; an error if there was no answer.
    pub(crate) fn get(&self, url: &str) -> anyhow::Result<Answer> {
        let answer = self.does("/ask", &json!({ "url": url }))?;
        let status = answer.get("status").and_then(Value::as_u64);
        let status = status.with_context(|| format!("{url}: {answer}"))?;
        let text = answer.get("body").and_then(Value::as_str).unwrap_or_default();
        let denied = answer.pointer("/headers/x-isthmus-deny").and_then(Value::as_str).map(str::to_owned);
        Ok(Answer { status, denied, body: serde_json::from_str(text).unwrap_or_else(|_| json!(text)) })
    }

    /// The same, where nothing but an answer of the program that is asked will do.
    pub(crate) fn get_ok(&self, url: &str) -> anyhow::Result<Value> {
        match self.get(url)? {
            Answer { status: 200, body, .. } => Ok(body),
            other => bail!("{url}: {other:?}"),
        }
    }

    fn does(&self, path: &str, what: &Value) -> anyhow::Result<Value> {
        let answer = http::send(self.0.port, http::with_body("POST", path, what.to_string()))?;
        serde_json::from_str(answer.body()).with_context(|| format!("{path}: {answer:?}"))
    }
}
