//! One question of a probe or hook over the network, sent from the router.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use isthmus_runtime::dangerous::AnybodyWillDo;
use k8s_openapi::api::core::v1::{Container, HTTPGetAction};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use crate::router::Router;

/// A port by number, or by the name that the container gave it.
pub(crate) fn port(container: &Container, port: &IntOrString) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => name.parse().ok().or_else(|| {
            let mut ports = container.ports.iter().flatten();
            ports.find(|port| port.name.as_ref() == Some(name)).map(|port| port.container_port)
        }),
    };
    let number = number.ok_or_else(|| format!("the container has no port named {port:?}"))?;
    u16::try_from(number).ok().filter(|number| *number > 0).ok_or_else(|| format!("{number} is not a port"))
}

/// Whether somebody listens there.
pub(crate) async fn tcp(router: &Router, address: SocketAddr, limit: Duration) -> Result<(), String> {
    router.dial_within(address, limit).await.map(drop).map_err(|error| format!("dial tcp {address}: {error}"))
}

/// A GET request; anything from 200 to 399 is success. Certificates aren't checked, as a kubelet doesn't.
pub(crate) async fn http(
    router: &Router,
    pod: IpAddr,
    container: &Container,
    get: &HTTPGetAction,
    limit: Duration,
) -> Result<(), String> {
    let port = port(container, &get.port)?;
    let host = match &get.host {
        Some(host) => host.parse().map_err(|_| format!("host {host:?} is not an address"))?,
        None => pod,
    };
    let address = SocketAddr::new(host, port);
    let ask = async {
        let stream = router.dial(address).await?;
        if get.scheme.as_deref() == Some("HTTPS") {
            let stream = tls(stream, host).await?;
            status(TokioIo::new(stream), address, get).await
        } else {
            status(TokioIo::new(stream), address, get).await
        }
    };
    match tokio::time::timeout(limit, ask).await {
        Ok(Ok(status)) if (200..400).contains(&status) => Ok(()),
        Ok(Ok(status)) => Err(format!("HTTP probe failed with statuscode: {status}")),
        Ok(Err(error)) => Err(format!("GET http://{address}: {error}")),
        Err(_) => Err(format!("GET http://{address}: no answer within {limit:?}")),
    }
}

async fn status<S>(stream: TokioIo<S>, address: SocketAddr, get: &HTTPGetAction) -> io::Result<u16>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.map_err(io::Error::other)?;
    let driver = tokio::spawn(connection);
    let path = get.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/");
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let mut request = http::Request::get(path).header("user-agent", "kube-probe/1.33").header("connection", "close");
    let headers = get.http_headers.iter().flatten();
    let own_host = headers.clone().any(|header| header.name.eq_ignore_ascii_case("host"));
    for header in headers {
        request = request.header(&header.name, &header.value);
    }
    if !own_host {
        request = request.header("host", address.to_string());
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(io::Error::other)?;
    let response = sender.send_request(request).await.map_err(io::Error::other);
    driver.abort();
    Ok(response?.status().as_u16())
}

/// A probe asks whether the server answers, not who it is.
async fn tls(stream: TcpStream, host: IpAddr) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(AnybodyWillDo::new(provider))
        .with_no_client_auth();
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(ServerName::from(host), stream).await
}
