//! The sample programs: what the demo, the examples and the conformance scenarios run as workloads.
//!
//! They know nothing of the mesh but one header that it adds, [`CLIENT_ID`].

mod calls;
mod client;
mod conformance;
mod driver;
mod lines;
mod load;
mod server;
mod shop;
mod store;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use anyhow::Context;
use bytes::Bytes;
use clap::{Args, ValueEnum};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use isthmus_runtime::{drain::Drain, signals, sockets};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

/// The header in which the callee's proxy says who is calling.
const CLIENT_ID: &str = "x-isthmus-client-id";
/// Connections waiting to be accepted.
const BACKLOG: i32 = 128;

/// Which program to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Program {
    /// The app of the SMI conformance scenarios: /call, /metrics, /echo
    Echo,
    /// The shop's front: calls catalog and orders
    Web,
    /// The shop's catalog: GET /items says its version and its caller
    Catalog,
    /// The shop's orders: POST /orders counts in the store
    Orders,
    /// The shop's key-value store: lines over TCP
    Store,
    /// Steady load on others, each answer checked
    Load,
    /// Standard input and output as a connection to the port, inside the pod
    #[value(hide = true)]
    Pipe,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct AppArgs {
    /// Which program to be
    #[arg(value_enum, default_value = "echo")]
    program: Program,
    /// What it calls itself
    #[arg(long, env = "SERVICE_NAME", default_value = "Default")]
    service_name: String,
    /// Port to listen on [default: 9091; web, catalog and orders 8080; store 6380]
    #[arg(long, env = "PORT")]
    port: Option<u16>,
    /// More ports that it listens on, for the same
    #[arg(long, env = "EXTRA_PORTS", value_delimiter = ',')]
    extra_ports: Vec<u16>,
    /// Port on which echo answers each line over TCP by who it is
    #[arg(long, env = "TCP_PORT")]
    tcp_port: Option<u16>,
    /// Version that its answers name
    #[arg(long, env = "VERSION", default_value = "v1")]
    version: String,
    /// Where web finds the catalog
    #[arg(long, env = "CATALOG_URL", default_value = "http://catalog")]
    catalog_url: String,
    /// Where web finds orders
    #[arg(long, env = "ORDERS_URL", default_value = "http://orders")]
    orders_url: String,
    /// Where orders finds the store, host:port
    #[arg(long, env = "STORE_ADDR", default_value = "store:6380")]
    store_addr: String,
    #[command(flatten)]
    load: load::LoadArgs,
}

/// A running HTTP program, at one of its ports.
#[derive(Clone)]
struct App {
    args: Arc<AppArgs>,
    port: u16,
    records: Arc<conformance::Records>,
    sessions: Arc<driver::Sessions>,
}

/// Runs until a signal ends it.
pub(crate) async fn run(args: AppArgs) -> anyhow::Result<()> {
    if args.program == Program::Pipe {
        return pipe(args.port.unwrap_or(8080)).await;
    }
    let shutdown = signals::shutdown_token()?;
    if args.program == Program::Load {
        return load::run(&args.load, &host(), &shutdown).await;
    }
    let port = args.port.unwrap_or(match args.program {
        Program::Echo => 9091,
        Program::Store => 6380,
        _ => 8080,
    });
    let listener = listen(port)?;
    tracing::info!(program = ?args.program, port, version = args.version, "listening");
    let drain = Drain::new();
    match args.program {
        Program::Store => shutdown.run_until_cancelled(store::serve(listener, &drain)).await,
        _ => shutdown.run_until_cancelled(serve(listener, &drain, App::new(args, port))).await.transpose()?,
    };
    drain.finish(std::time::Duration::from_secs(5)).await;
    Ok(())
}

/// Serves HTTP at every port of the program, and lines at the one for those.
async fn serve(listener: TcpListener, drain: &Drain, app: App) -> anyhow::Result<()> {
    let more: Vec<(u16, TcpListener)> =
        app.args.extra_ports.iter().map(|&port| Ok((port, listen(port)?))).collect::<anyhow::Result<_>>()?;
    let mut at = JoinSet::new();
    for (port, listener) in more.into_iter().chain([(app.port, listener)]) {
        let (drain, app) = (drain.clone(), Arc::new(App { port, ..app.clone() }));
        at.spawn(async move { server::serve(listener, &drain, app).await });
    }
    if let Some(port) = app.args.tcp_port {
        let (drain, listener, name) = (drain.clone(), listen(port)?, app.args.service_name.clone());
        at.spawn(async move { lines::serve(listener, &drain, &format!("{name} {} {port}", host())).await });
    }
    at.join_all().await;
    Ok(())
}

fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let listener = sockets::reuseport_listener((Ipv6Addr::UNSPECIFIED, port).into(), BACKLOG)
        .or_else(|_| sockets::reuseport_listener(([0, 0, 0, 0], port).into(), BACKLOG))
        .with_context(|| format!("listening on port {port}"))?;
    Ok(TcpListener::from_std(listener)?)
}

/// What `kubectl port-forward` does, for clients that can only exec.
async fn pipe(port: u16) -> anyhow::Result<()> {
    let mut stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut stream, &mut tokio::io::join(tokio::io::stdin(), tokio::io::stdout())).await?;
    Ok(())
}

impl App {
    fn new(args: AppArgs, port: u16) -> Self {
        Self { args: Arc::new(args), port, records: Arc::default(), sessions: Arc::default() }
    }

    /// Every program's own paths, after those that all have.
    async fn answer(&self, request: Request<Bytes>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        match path.as_str() {
            "/healthz" => json_answer(StatusCode::OK, &json!({ "ok": true })),
            "/calls" => calls::answer(self, &request).await,
            "/ask" => driver::ask(&request).await,
            "/tcp" => driver::tcp(&request).await,
            "/sessions" => self.sessions.open(&request).await,
            _ if path.starts_with("/sessions/") => self.sessions.wait(&path).await,
            "/load" => self.loaded(&request, &String::from_utf8_lossy(request.body())),
            _ if path.starts_with("/load/") => self.loaded(&request, path.trim_start_matches("/load/")),
            "/call" | "/metrics" | "/echo" => conformance::answer(self, &request).await,
            _ => match self.args.program {
                Program::Web => shop::web(self, &request).await,
                Program::Catalog => shop::catalog(self, &request),
                Program::Orders => shop::orders(self, &request).await,
                Program::Echo => conformance::answer(self, &request).await,
                Program::Store | Program::Load | Program::Pipe => not_found(&path),
            },
        }
    }
}

impl App {
    /// What a load asks: who are you, and which request is this the answer to?
    fn loaded(&self, request: &Request<Bytes>, id: &str) -> Response<Full<Bytes>> {
        let about = json!({ "id": id, "host": host(), "version": self.args.version, "caller": caller(request) });
        json_answer(StatusCode::OK, &about)
    }
}

/// The pod's name, as Kubernetes tells it to programs.
fn host() -> String {
    std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".to_owned())
}

/// Who calls, as the proxy says.
fn caller(request: &Request<Bytes>) -> Option<&str> {
    request.headers().get(CLIENT_ID)?.to_str().ok()
}

fn not_found(path: &str) -> Response<Full<Bytes>> {
    json_answer(StatusCode::NOT_FOUND, &json!({ "error": format!("no {path} here") }))
}

fn json_answer(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    answer(status, "application/json", format!("{body}\n"))
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

/// Headers as text; of a repeated one, the last.
fn header_map(headers: &http::HeaderMap) -> BTreeMap<String, String> {
    let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    headers.iter().map(text).collect()
}
