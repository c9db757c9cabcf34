//! Paths by which somebody outside makes a program call others and sees what came of it.
//!
//! `POST /ask {url, method, headers, body}` makes one HTTP request; `POST /tcp {address, send}` sends one line;
//! `POST /sessions {address}` opens a connection that stays, and `GET /sessions/<id>` waits until it is closed;
//! with `/now` behind, it tells at once.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::Full;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::watch,
};

use super::{client, header_map, json_answer, not_found};

/// How long one line may take to be answered.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long `GET /sessions/<id>` waits for the end.
const LONG_POLL: Duration = Duration::from_secs(20);
/// Most sessions that are remembered.
const MAX_SESSIONS: usize = 64;
/// Longest line in bytes.
const MAX_LINE: u64 = 4096;

#[derive(Debug, Deserialize)]
struct Ask {
    url: String,
    #[serde(default = "get")]
    method: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
}

#[derive(Debug, Deserialize)]
struct Line {
    address: String,
    #[serde(default = "ping")]
    send: String,
}

fn get() -> String {
    "GET".into()
}

fn ping() -> String {
    "PING".into()
}

/// A connection that ended before a line came.
#[derive(Debug, thiserror::Error)]
#[error("the connection was closed without an answer")]
pub(super) struct Unanswered;

/// Connections held open.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<u64, watch::Receiver<Option<String>>>>);

pub(super) async fn ask(request: &Request<Bytes>) -> Response<Full<Bytes>> {
    outcome(asked(request.body()).await)
}

async fn asked(body: &Bytes) -> anyhow::Result<Value> {
    let ask: Ask = serde_json::from_slice(body)?;
    let mut request = Request::builder().method(ask.method.as_str()).uri(&ask.url).body(Bytes::from(ask.body))?;
    for (name, value) in &ask.headers {
        request.headers_mut().insert(name.parse::<HeaderName>()?, value.parse()?);
    }
    let response = client::send(request).await?;
    Ok(json!({
        "status": response.status().as_u16(),
        "headers": header_map(response.headers()),
        "body": String::from_utf8_lossy(response.body()),
    }))
}

pub(super) async fn tcp(request: &Request<Bytes>) -> Response<Full<Bytes>> {
    outcome(
        async {
            let line: Line = serde_json::from_slice(request.body())?;
            Ok(json!({ "reply": exchange(&line.address, &line.send).await? }))
        }
        .await,
    )
}

/// Sends a line, and reads one.
pub(super) async fn exchange(address: &str, line: &str) -> anyhow::Result<String> {
    Ok(opened(address, line).await?.1)
}

async fn opened(address: &str, line: &str) -> anyhow::Result<(BufReader<TcpStream>, String)> {
    let talk = async {
        let mut stream = BufReader::new(TcpStream::connect(address).await.context("connect")?);
        stream.write_all(format!("{line}\n").as_bytes()).await.context("send")?;
        let mut reply = String::new();
        let read = (&mut stream).take(MAX_LINE).read_line(&mut reply).await.context("receive")?;
        anyhow::ensure!(read > 0, Unanswered);
        Ok((stream, reply.trim_end().to_owned()))
    };
    tokio::time::timeout(PATIENCE, talk).await.with_context(|| format!("{address}: no answer in {PATIENCE:?}"))?
}

impl Sessions {
    pub(super) async fn open(&self, request: &Request<Bytes>) -> Response<Full<Bytes>> {
        outcome(self.opened(request.body()).await)
    }

    async fn opened(&self, body: &Bytes) -> anyhow::Result<Value> {
        let line: Line = serde_json::from_slice(body)?;
        let (mut stream, reply) = opened(&line.address, &line.send).await?;
        let (ended, receiver) = watch::channel(None);
        let id = {
            let mut sessions = self.0.lock();
            sessions.retain(|_, end| end.borrow().is_none());
            anyhow::ensure!(sessions.len() < MAX_SESSIONS, "{MAX_SESSIONS} sessions are open already");
            let id = sessions.keys().max().map_or(1, |last| last + 1);
            sessions.insert(id, receiver);
            id
        };
        tokio::spawn(async move {
            let mut rest = Vec::new();
            let end = match stream.read_to_end(&mut rest).await {
                Ok(_) => "closed".to_owned(),
                Err(error) => error.to_string(),
            };
            ended.send_replace(Some(end));
        });
        Ok(json!({ "id": id, "reply": reply }))
    }

    pub(super) async fn wait(&self, path: &str) -> Response<Full<Bytes>> {
        let (path, patience) = path.strip_suffix("/now").map_or((path, LONG_POLL), |path| (path, Duration::ZERO));
        let id = path.rsplit('/').next().and_then(|id| id.parse::<u64>().ok());
        let Some(mut end) = id.and_then(|id| self.0.lock().get(&id).cloned()) else { return not_found(path) };
        let ended = tokio::time::timeout(patience, end.wait_for(Option::is_some)).await;
        let end = ended.ok().and_then(Result::ok).and_then(|end| end.clone());
        json_answer(StatusCode::OK, &json!({ "open": end.is_none(), "end": end }))
    }
}

/// What happened is the answer, good or bad: the driver's own request has succeeded.
fn outcome(done: anyhow::Result<Value>) -> Response<Full<Bytes>> {
    json_answer(StatusCode::OK, &done.unwrap_or_else(|error| json!({ "error": format!("{error:#}") })))
}
