//! One HTTPS connection, and one JSON call over it. A fault is told in the words of Go's HTTP client, as in the real
//! server's errors, since that is what people search for.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use isthmus_runtime::error_text::with_causes;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use crate::callout::Callout;
use crate::forward::{Body, BoxError};
use crate::target::{Place, Target};
use crate::tls::{Trust, client_config};

pub(crate) const DEADLINE: &str = "context deadline exceeded";

impl Callout {
    /// The address of a target.
    pub(crate) async fn locate(&self, place: &Place) -> Result<SocketAddr, String> {
        match place {
            Place::Service(service) => self
                .services
                .resolve(&service.namespace, &service.name, service.port)
                .ok_or_else(|| format!("no endpoints available for service {:?}", service.name)),
            Place::Host { host, port } => tokio::net::lookup_host((host.as_str(), *port))
                .await
                .ok()
                .and_then(|mut found| found.next())
                .ok_or_else(|| format!("dial tcp: lookup {host}: no such host")),
        }
    }

    /// Connects, checks the server's certificate for `name`, and starts HTTP/1.1. The connection lives in a task of its
    /// own, which ends with the sender and the bodies (or, after an upgrade, with the upgraded stream).
    pub(crate) async fn connect(
        &self,
        addr: SocketAddr,
        name: &str,
        config: Arc<ClientConfig>,
    ) -> Result<SendRequest<Body>, String> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| format!("{name:?} is not a host name"))?;
        let connect = async {
            let tcp = self.dial.dial(addr).await.map_err(|error| format!("dial tcp {addr}: {}", dial_text(&error)))?;
            let _ = tcp.set_nodelay(true);
            let tls = TlsConnector::from(config).connect(name, tcp).await.map_err(|error| tls_text(&error))?;
            handshake(TokioIo::new(tls)).await.map_err(|error| error.to_string())
        };
        let (sender, connection) =
            timeout(self.limits.connect, connect).await.map_err(|_| format!("dial tcp {addr}: i/o timeout"))??;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%addr, %error, "connection ended");
            }
        });
        Ok(sender)
    }

    /// POSTs JSON and reads JSON. `query` (`timeout=10s`) is for the target's information.
    pub(crate) async fn post_json(
        &self,
        target: &Target,
        query: &str,
        body: &Value,
        time: Duration,
    ) -> Result<Value, String> {
        let path = if query.is_empty() { target.path.clone() } else { format!("{}?{query}", target.path) };
        let url = format!("https://{}{path}", target.authority());
        let failed = |why: String| format!("Post {url:?}: {why}");
        let deadline = Instant::now().checked_add(time).unwrap_or_else(Instant::now);
        let answer = timeout_at(deadline, self.exchange(target, &path, body));
        let (status, bytes) = answer.await.map_err(|_| failed(DEADLINE.to_owned()))?.map_err(failed)?;
        if !status.is_success() {
            return Err(refusal(status, &bytes));
        }
        serde_json::from_slice(&bytes).map_err(|error| format!("couldn't decode the answer as JSON: {error}"))
    }

    async fn exchange(&self, target: &Target, path: &str, body: &Value) -> Result<(StatusCode, Bytes), String> {
        let config = client_config(&Trust::Bundle(&target.bundle), None).map_err(|error| error.to_string())?;
        let addr = self.locate(&target.place).await?;
        let mut sender = self.connect(addr, &target.host(), config).await?;
        let request = Request::post(path)
            .header(HOST, target.authority())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, "kube-apiserver-admission")
            .body(Full::from(body.to_string()).map_err(|never| match never {}).boxed_unsync())
            .map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| with_causes(&error))?;
        let (head, body) = response.into_parts();
        let limit = self.limits.answer_bytes;
        let bytes = Limited::new(body, limit).collect().await.map_err(|error| read_text(&error, limit))?.to_bytes();
        Ok((head.status, bytes))
    }
}

fn read_text(error: &BoxError, limit: usize) -> String {
    if error.downcast_ref::<LengthLimitError>().is_some() {
        format!("the answer is larger than {limit} bytes")
    } else {
        error.to_string()
    }
}

/// A non-2xx answer as client-go words it.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    let told = serde_json::from_slice::<Value>(body).ok();
    let told = told.as_ref().filter(|told| told.get("kind").and_then(Value::as_str) == Some("Status"));
    if let Some(message) = told.and_then(|told| told.get("message")).and_then(Value::as_str) {
        return message.to_owned();
    }
    match status {
        StatusCode::NOT_FOUND => "the server could not find the requested resource".to_owned(),
        _ => {
            let text: String = String::from_utf8_lossy(body).trim().chars().take(200).collect();
            format!(
                "an error on the server ({text:?}) has prevented the request from succeeding (HTTP {})",
                status.as_u16()
            )
        }
    }
}

fn dial_text(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        ErrorKind::HostUnreachable => "connect: no route to host".to_owned(),
        ErrorKind::NetworkUnreachable => "connect: network is unreachable".to_owned(),
        _ => error.to_string(),
    }
}

fn tls_text(error: &std::io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(inner @ rustls::Error::InvalidCertificate(_)) => format!("tls: failed to verify certificate: {inner}"),
        Some(inner) => format!("tls: {inner}"),
        None => format!("tls: handshake failed: {error}"),
    }
}
