//! Passes one request on and its answer back, streaming both ways; after a `101` it passes bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderMap, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::SendRequest;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use isthmus_runtime::error_text::with_causes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::time::timeout;

use crate::https::DEADLINE;

/// Any error of a body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A streaming body.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Sends `request` (of its URI, path and query) and gives the answer; `time` is until its head has come. If the answer is
/// a `101`, both connections are joined by a task once the caller's server has sent that answer on.
pub(crate) async fn forward<B>(
    mut sender: SendRequest<Body>,
    mut request: Request<B>,
    time: Duration,
) -> Result<Response<Body>, String>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let upgrade = upgrade_of(request.headers());
    let client = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
    strip_hop_by_hop(request.headers_mut());
    if let Some(protocol) = upgrade {
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        request.headers_mut().insert(UPGRADE, protocol);
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().map_err(|_| "the path is not valid".to_owned())?;
    *request.version_mut() = http::Version::HTTP_11;
    let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
    let mut response = timeout(time, sender.send_request(request))
        .await
        .map_err(|_| DEADLINE.to_owned())?
        .map_err(|error| with_causes(&error))?;
    match (response.status(), client) {
        (StatusCode::SWITCHING_PROTOCOLS, Some(client)) => {
            let server = hyper::upgrade::on(&mut response);
            tokio::spawn(join(client, server));
            Ok(response.map(|_| Empty::new().map_err(|never| match never {}).boxed_unsync()))
        }
        (StatusCode::SWITCHING_PROTOCOLS, None) => Err("the server switched protocols without being asked".to_owned()),
        _ => {
            strip_hop_by_hop(response.headers_mut());
            Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
        }
    }
}

/// Copies bytes both ways until both sides have finished, or one has failed.
async fn join(client: OnUpgrade, server: OnUpgrade) {
    let (client, server) = match tokio::try_join!(client, server) {
        Ok(both) => both,
        Err(error) => {
            tracing::debug!(%error, "an upgraded connection was lost before it began");
            return;
        }
    };
    let (mut client, mut server) = (Ending(TokioIo::new(client)), Ending(TokioIo::new(server)));
    if let Err(error) = copy_bidirectional(&mut client, &mut server).await {
        tracing::debug!(%error, "an upgraded connection ended");
    }
}

/// Takes a connection that ends without TLS's goodbye for one that ends: the protocols inside have ends of their own, and
/// an error would lose what is still to be written to the other side.
struct Ending<T>(T);

impl<T: AsyncRead + Unpin> AsyncRead for Ending<T> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.0).poll_read(context, buf)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            outcome => Poll::Ready(outcome),
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Ending<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// The protocol that a request wants to switch to.
fn upgrade_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let asks = tokens(headers).any(|token| token.eq_ignore_ascii_case("upgrade"));
    headers.get(UPGRADE).filter(|_| asks).cloned()
}

fn tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(',').map(str::trim))
}

/// Takes out what is meant for one connection only (RFC 9110 §7.6.1). Lengths stay: hyper frames the body by them.
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers).filter_map(|token| token.parse().ok()).collect();
    let always = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
    let old = ["keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization"];
    for name in named.into_iter().chain(always).chain(old.map(HeaderName::from_static)) {
        headers.remove(name);
    }
}
