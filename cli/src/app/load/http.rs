//! HTTP exchanges.

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri, Version, header::HOST};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::Deserialize;
use tokio::net::TcpStream;

use super::report::Served;

/// Longest answer in bytes.
const MAX_ANSWER: usize = 64 << 10;
/// What of a refusal's body is told.
const TOLD: usize = 200;
/// Headers of a refusal that are told.
const TELLING: [&str; 2] = ["x-isthmus-error", "x-isthmus-deny"];

/// An HTTP client with at most one connection.
pub(super) struct Client {
    target: String,
    h2: bool,
    keep: bool,
    open: Option<Sender>,
}

enum Sender {
    H1(http1::SendRequest<Full<Bytes>>),
    H2(http2::SendRequest<Full<Bytes>>),
}

/// What a program of this kind answers to `/load`.
#[derive(Deserialize)]
struct Answer {
    id: String,
    host: String,
    version: String,
}

impl Client {
    pub(super) fn new(target: String, h2: bool, keep: bool) -> Self {
        Self { target, h2, keep, open: None }
    }

    pub(super) async fn exchange(&mut self, id: &str) -> anyhow::Result<Served> {
        let uri: Uri = self.target.parse().with_context(|| format!("target {:?}", self.target))?;
        let authority = uri.authority().with_context(|| format!("target {:?} names no host", self.target))?;
        let (host, port) = (authority.host(), authority.port_u16().unwrap_or(80));
        let mut request = self.request(authority.as_str(), id)?;
        let mut reopened = 0;
        loop {
            let mut kept = self.open.take();
            // Closed in an orderly way since its last answer: as if it had never been.
            if let Some(sender) = &mut kept
                && !sender.is_usable().await
            {
                reopened += 1;
                kept = None;
            }
            let fresh = kept.is_none();
            let mut sender = match kept {
                Some(sender) => sender,
                None => self.connect(host, port).await?,
            };
            match sender.send(request).await {
                Ok(response) => {
                    let answer = read(response, id).await?;
                    if self.keep {
                        self.open = Some(sender);
                    }
                    return Ok(Served { host: answer.host, version: answer.version, reopened });
                }
                // A kept connection that closed before it took the request up: every client sends it again.
                Err((_, Some(unsent))) if !fresh => {
                    reopened += 1;
                    request = unsent;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    fn request(&self, authority: &str, id: &str) -> anyhow::Result<Request<Full<Bytes>>> {
        let builder = if self.h2 {
            let uri = format!("http://{authority}/load");
            Request::builder().method(Method::POST).uri(uri).version(Version::HTTP_2)
        } else {
            Request::builder().uri(format!("/load/{id}")).header(HOST, authority)
        };
        let body = if self.h2 { Bytes::from(id.to_owned()) } else { Bytes::new() };
        Ok(builder.body(Full::new(body))?)
    }

    async fn connect(&self, host: &str, port: u16) -> anyhow::Result<Sender> {
        let stream = TcpStream::connect((host, port)).await.context("connect")?;
        stream.set_nodelay(true)?;
        let io = TokioIo::new(stream);
        // Their ends are the ends of the connections that they drive.
        Ok(if self.h2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.context("handshake")?;
            tokio::spawn(connection);
            Sender::H2(sender)
        } else {
            let (sender, connection) = http1::handshake(io).await.context("handshake")?;
            tokio::spawn(connection);
            Sender::H1(sender)
        })
    }
}

impl Sender {
    async fn is_usable(&mut self) -> bool {
        match self {
            Self::H1(sender) => sender.ready().await.is_ok(),
            Self::H2(sender) => sender.ready().await.is_ok(),
        }
    }

    /// The answer, or why there is none and the request itself if nothing of it was sent.
    async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, (anyhow::Error, Option<Request<Full<Bytes>>>)> {
        let sent = match self {
            Self::H1(sender) => sender.try_send_request(request).await,
            Self::H2(sender) => sender.try_send_request(request).await,
        };
        sent.map_err(|mut error| {
            let unsent = error.take_message();
            (anyhow::Error::new(error.into_error()), unsent)
        })
    }
}

async fn read(response: Response<Incoming>, id: &str) -> anyhow::Result<Answer> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| anyhow::anyhow!("answer: {error}"))?;
    let body = body.to_bytes();
    if head.status != StatusCode::OK {
        let told = TELLING.iter().filter_map(|name| Some(format!("{name}: {:?}", head.headers.get(*name)?)));
        let told: Vec<String> = told.collect();
        let text = String::from_utf8_lossy(body.get(..TOLD).unwrap_or(&body)).into_owned();
        bail!("status {} {} {text}", head.status, told.join(" "));
    }
    let answer: Answer = serde_json::from_slice(&body).context("answer")?;
    if answer.id != id {
        bail!("the answer is for {:?}", answer.id);
    }
    Ok(answer)
}
