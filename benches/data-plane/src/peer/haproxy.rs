//! haproxy: one thread, connections to servers kept and shared.

use std::{ffi::OsString, path::Path};

use super::Hop;

pub(super) fn arguments(config: &Path) -> Vec<OsString> {
    // In the foreground, one process.
    vec!["-db".into(), "-f".into(), config.into()]
}

pub(super) fn config(hop: Hop<'_>) -> String {
    let (mode, alpn, prior) = match (hop.is_tcp(), hop.is_http2()) {
        (true, _) => ("tcp", "", ""),
        (_, true) => ("http", "alpn h2", "proto h2"),
        _ => ("http", "alpn http/1.1", ""),
    };
    let keys = format!("crt {} ca-file {}", hop.file(&format!("{}.both.pem", hop.name())), hop.file("ca.pem"));
    let tls = format!("ssl {keys} verify required ssl-min-ver TLSv1.3 {alpn}");
    let bind = if hop.takes_tls() { &tls } else { prior };
    let server = if hop.sends_tls() { format!("{tls} verifyhost {}", crate::pki::CALLEE_NAME) } else { prior.into() };
    let reuse = if hop.is_tcp() { "" } else { "http-reuse always" };
    format!(
        "global
  nbthread 1
  maxconn 8192
defaults
  mode {mode}
  {reuse}
  timeout connect 5s
  timeout client 300s
  timeout server 300s
frontend in
  bind 0.0.0.0:{port} {bind}
  default_backend out
backend out
  server callee {upstream} {server}
",
        port = hop.listen_port(),
        upstream = hop.upstream(),
    )
}
