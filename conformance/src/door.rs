//! The way to the program in a pod: the API server's port-forward, which ends at the pod's loopback, where no mesh listens.
//! So a mesh that denies by default needs no exemption for the suite.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, header::HOST};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::Value;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use crate::{Error, case};

/// How long one exchange may take. The longest asks for hundreds of requests, each of which may wait.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a program may take to listen, once its pod is ready.
const LISTENS_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

type Sender = http1::SendRequest<Full<Bytes>>;

/// The way to one pod. Its connection is made when it is needed.
pub(crate) struct Door {
    pods: Api<Pod>,
    pub(crate) pod: String,
    connection: Mutex<Option<Sender>>,
}

impl Door {
    pub(crate) fn new(pods: Api<Pod>, pod: String) -> Self {
        Self { pods, pod, connection: Mutex::new(None) }
    }

    /// Waits until the program answers.
    pub(crate) async fn open(&self) -> Result<(), Error> {
        let deadline = Instant::now() + LISTENS_WITHIN;
        loop {
            match self.ask("GET", "/healthz", None).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Asks the program, and reads JSON.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let mut connection = self.connection.lock().await;
        let exchange = async {
            let sender = match connection.take() {
                Some(sender) if !sender.is_closed() => sender,
                _ => self.connect().await?,
            };
            let (sender, answer) = exchange(sender, method, path, body).await?;
            *connection = Some(sender);
            serde_json::from_slice(&answer).map_err(|error| {
                format!("{path} said {:?}, which isn't JSON: {error}", String::from_utf8_lossy(&answer))
            })
        };
        let answer = tokio::time::timeout(PATIENCE, exchange).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("{path}: no answer in {} s", PATIENCE.as_secs())));
        answer.map_err(|why| Error::Program { pod: self.pod.clone(), why })
    }

    async fn connect(&self) -> Result<Sender, String> {
        let forward = self.pods.portforward(&self.pod, &[case::HTTP]).await;
        let mut forward = forward.map_err(|error| format!("port-forward: {error}"))?;
        let stream = forward.take_stream(case::HTTP).ok_or("port-forward gave no stream")?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| format!("port-forward: {error}"))?;
        tokio::spawn(async move {
            // Whoever asks next sees its end.
            let _ = connection.await;
            drop(forward);
        });
        Ok(sender)
    }
}

async fn exchange(
    mut sender: Sender,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<(Sender, Bytes), String> {
    let body = Full::new(Bytes::from(body.map(Value::to_string).unwrap_or_default()));
    let request = Request::builder().method(method).uri(path).header(HOST, "app").body(body);
    let request = request.map_err(|error| error.to_string())?;
    sender.ready().await.map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(|error| format!("{path}: {error}"))?;
    let answer = response.into_body().collect().await.map_err(|error| format!("{path}: {error}"))?;
    Ok((sender, answer.to_bytes()))
}
