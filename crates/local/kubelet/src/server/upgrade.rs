//! Requests that become byte streams.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, SinkExt, StreamExt, TryStreamExt, future};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

use super::answer::{Answer, text};
use crate::exec::{self, Command};
use crate::portforward::{self, Target};
use crate::query::Query;
use crate::runtime::{ContainerRef, ExecOptions, Runtime};

/// What goes on after the upgrade.
pub(super) type Upgraded = BoxFuture<'static, ()>;

/// Clients write at most 64 KiB in a message.
const MAX_MESSAGE: usize = 1024 * 1024;
const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");
const SPDY: &str = "SPDY/3.1";
const CHANNELS: &str = "v4.channel.k8s.io";

type Reply = (Response<Answer>, Option<Upgraded>);

/// How the client wants to go on.
enum Offer {
    WebSocket { protocol: &'static str, accept: String },
    Spdy { protocol: &'static str },
}

pub(super) fn exec(
    runtime: &Arc<dyn Runtime>,
    namespace: &str,
    pod: &str,
    container: &str,
    mut request: Request<Incoming>,
) -> Reply {
    let command = match command(&Query::parse(request.uri().query().unwrap_or_default())) {
        Ok(command) => command,
        Err(why) => return (text(StatusCode::BAD_REQUEST, why), None),
    };
    let offer = match Offer::choose(request.headers(), &["v5.channel.k8s.io", CHANNELS], &[CHANNELS]) {
        Ok(offer) => offer,
        Err(refusal) => return (*refusal, None),
    };
    let container = ContainerRef { namespace: namespace.into(), pod: pod.into(), container: container.into() };
    let runtime = runtime.clone();
    let upgrade = hyper::upgrade::on(&mut request);
    let websocket = matches!(offer, Offer::WebSocket { .. });
    let serving = async move {
        let Some(io) = upgraded(upgrade).await else { return };
        if websocket {
            exec::over_websocket::serve(web_socket(io).await, runtime.as_ref(), &container, command).await;
        } else {
            let (input, output) = tokio::io::split(io);
            exec::over_spdy::serve(input, output, runtime.as_ref(), &container, command).await;
        }
    };
    (offer.accept(), Some(serving.boxed()))
}

pub(super) fn port_forward(
    runtime: &Arc<dyn Runtime>,
    namespace: &str,
    pod: &str,
    mut request: Request<Incoming>,
) -> Reply {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let websocket: &[_] = &["SPDY/3.1+portforward.k8s.io", CHANNELS];
    let offer = match Offer::choose(request.headers(), websocket, &["portforward.k8s.io"]) {
        Ok(offer) => offer,
        Err(refusal) => return (*refusal, None),
    };
    let channels = matches!(offer, Offer::WebSocket { protocol: CHANNELS, .. });
    let ports = match ports(&query) {
        Ok(ports) if ports.is_empty() && channels => {
            return (text(StatusCode::BAD_REQUEST, "port: say which ports to forward"), None);
        }
        Ok(ports) => ports,
        Err(why) => return (text(StatusCode::BAD_REQUEST, why), None),
    };
    let target = Target { namespace: namespace.into(), pod: pod.into() };
    let runtime = runtime.clone();
    let upgrade = hyper::upgrade::on(&mut request);
    let websocket = matches!(offer, Offer::WebSocket { .. });
    let serving = async move {
        let Some(io) = upgraded(upgrade).await else { return };
        if channels {
            portforward::over_channels::serve(web_socket(io).await, runtime, target, ports).await;
        } else if websocket {
            // SPDY's bytes travel in binary messages.
            let (output, input) = web_socket(io).await.split();
            let bytes = input.map_err(std::io::Error::other).try_filter_map(|message| {
                future::ready(Ok(match message {
                    Message::Binary(data) => Some(data),
                    _ => None,
                }))
            });
            let messages = output
                .with(|data: Bytes| future::ready(Ok(Message::Binary(data))))
                .sink_map_err(|error: tokio_tungstenite::tungstenite::Error| std::io::Error::other(error));
            let output = SinkWriter::new(CopyToBytes::new(messages));
            portforward::serve(StreamReader::new(bytes), output, runtime, target).await;
        } else {
            let (input, output) = tokio::io::split(io);
            portforward::serve(input, output, runtime, target).await;
        }
    };
    (offer.accept(), Some(serving.boxed()))
}

/// The ports that a request names; the newer protocols name them in their streams.
fn ports(query: &Query) -> Result<Vec<u16>, String> {
    let texts = query.all("port").chain(query.all("ports")).flat_map(|ports| ports.split(','));
    let number = |text: &str| {
        let port = text.parse().ok().filter(|port| *port > 0);
        port.ok_or_else(|| format!("port: {text:?} is not a number from 1 to 65535"))
    };
    let ports: Vec<u16> = texts.filter(|text| !text.is_empty()).map(number).collect::<Result<_, _>>()?;
    if ports.len() > portforward::over_channels::MAX_PORTS {
        return Err(format!("port: more than {} of them", portforward::over_channels::MAX_PORTS));
    }
    Ok(ports)
}

fn command(query: &Query) -> Result<Command, &'static str> {
    let argv: Vec<String> = query.all("command").map(str::to_owned).collect();
    let on = |kubelet, user| query.on(kubelet) || query.on(user);
    let tty = query.on("tty");
    let options = ExecOptions {
        stdin: on("input", "stdin"),
        stdout: on("output", "stdout"),
        stderr: on("error", "stderr") && !tty,
        tty,
    };
    if argv.is_empty() {
        return Err("command: say which program to run");
    }
    if !(options.stdin || options.stdout || options.stderr) {
        return Err("you must specify at least 1 of stdin, stdout, stderr");
    }
    Ok(Command { argv, options })
}

impl Offer {
    /// Picks the first protocol of ours that the client knows too.
    fn choose(
        headers: &HeaderMap,
        websocket: &[&'static str],
        spdy: &[&'static str],
    ) -> Result<Offer, Box<Response<Answer>>> {
        let upgrade = headers.get(UPGRADE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let pick = |name: &HeaderName, ours: &[&'static str]| {
            let theirs: Vec<&str> = headers
                .get_all(name)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(',').map(str::trim))
                .collect();
            ours.iter().find(|protocol| theirs.contains(protocol)).copied().ok_or_else(|| {
                let why = format!("unable to upgrade: none of the protocols {theirs:?} is one of {ours:?}");
                Box::new(text(StatusCode::FORBIDDEN, why))
            })
        };
        if upgrade.eq_ignore_ascii_case("websocket") {
            let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
            let protocol = pick(&SEC_WEBSOCKET_PROTOCOL, websocket)?;
            Ok(Offer::WebSocket { protocol, accept: derive_accept_key(key) })
        } else if upgrade.eq_ignore_ascii_case(SPDY) {
            Ok(Offer::Spdy { protocol: pick(&STREAM_PROTOCOL, spdy)? })
        } else {
            let why = "unable to upgrade: missing upgrade headers in request: WebSocket or SPDY/3.1";
            Err(Box::new(text(StatusCode::BAD_REQUEST, why)))
        }
    }

    fn accept(self) -> Response<Answer> {
        let mut response = text(StatusCode::SWITCHING_PROTOCOLS, "");
        let headers = response.headers_mut();
        headers.clear();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        match self {
            Offer::WebSocket { protocol, accept } => {
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
                // The key is base64, so that this can't fail.
                if let Ok(accept) = HeaderValue::from_str(&accept) {
                    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
                }
            }
            Offer::Spdy { protocol } => {
                headers.insert(UPGRADE, HeaderValue::from_static(SPDY));
                headers.insert(STREAM_PROTOCOL, HeaderValue::from_static(protocol));
            }
        }
        response
    }
}

type Io = TokioIo<hyper::upgrade::Upgraded>;

async fn upgraded(upgrade: OnUpgrade) -> Option<Io> {
    match upgrade.await {
        Ok(io) => Some(TokioIo::new(io)),
        Err(error) => {
            tracing::debug!(%error, "a client went away before its upgrade");
            None
        }
    }
}

async fn web_socket(io: Io) -> WebSocketStream<Io> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
        .read_buffer_size(32 * 1024);
    WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await
}
