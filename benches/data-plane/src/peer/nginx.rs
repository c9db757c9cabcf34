//! nginx: one worker, keep-alive to upstreams. HTTP/2 upstreams are `grpc_pass`, the only way that it has.

use std::{ffi::OsString, path::Path, process::Command};

use super::Hop;
use crate::pki::{CALLEE_NAME, CALLER_NAME};

/// Where Debian's package has the module for TCP; compiled in elsewhere.
const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

pub(super) fn arguments(config: &Path) -> Vec<OsString> {
    let dir = config.parent().unwrap_or(Path::new("/"));
    vec!["-c".into(), config.into(), "-p".into(), dir.into(), "-e".into(), "stderr".into()]
}

/// Can it relay TCP: with the module, or with it compiled in?
pub(super) fn relays_tcp(program: &Path) -> bool {
    Path::new(STREAM_MODULE).exists()
        || Command::new(program).arg("-V").output().is_ok_and(|output| {
            String::from_utf8_lossy(&output.stderr).split_ascii_whitespace().any(|word| word == "--with-stream")
        })
}

/// The line that loads the module for TCP, where it isn't compiled in.
pub(crate) fn load_stream() -> String {
    if Path::new(STREAM_MODULE).exists() { format!("load_module {STREAM_MODULE};") } else { String::new() }
}

pub(super) fn config(hop: Hop<'_>) -> String {
    let block = if hop.is_tcp() { stream(hop) } else { http(hop) };
    let module = if hop.is_tcp() { load_stream() } else { String::new() };
    // `user root`: workers can read the files, and a user namespace has nobody else.
    format!(
        "{module}
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {pid};
error_log stderr error;
events {{ worker_connections 8192; }}
{block}
",
        pid = hop.file(&format!("nginx-{}.pid", hop.name())),
    )
}

fn http(hop: Hop<'_>) -> String {
    let dir = hop.dir.display();
    let h2 = if hop.is_http2() { "http2" } else { "" };
    let (listen, ssl) = listen(hop);
    let (module, pass) = match (hop.is_http2(), hop.sends_tls()) {
        (true, true) => ("grpc", "grpc_pass grpcs://callee;"),
        (true, false) => ("grpc", "grpc_pass grpc://callee;"),
        (false, true) => ("proxy", "proxy_pass https://callee;"),
        (false, false) => ("proxy", "proxy_pass http://callee;"),
    };
    let keep = if hop.is_http2() { "" } else { "proxy_http_version 1.1; proxy_set_header Connection \"\";" };
    format!(
        "http {{
  access_log off;
  client_body_temp_path {dir}; proxy_temp_path {dir}; fastcgi_temp_path {dir}; uwsgi_temp_path {dir}; scgi_temp_path {dir};
  keepalive_timeout 300s; keepalive_requests 100000000; http2_max_concurrent_streams 256;
  upstream callee {{ server {upstream}; keepalive 128; keepalive_requests 100000000; }}
  server {{
    listen {listen} {h2};
    {ssl}
    location / {{ {pass} {keep} {upstream_tls} }}
  }}
}}",
        upstream = hop.upstream(),
        upstream_tls = upstream_tls(hop, module),
    )
}

fn stream(hop: Hop<'_>) -> String {
    let (listen, ssl) = listen(hop);
    let tls = if hop.sends_tls() { "proxy_ssl on;" } else { "" };
    format!(
        "stream {{
  server {{ listen {listen}; {ssl} proxy_pass {upstream}; {tls} {upstream_tls} }}
}}",
        upstream = hop.upstream(),
        upstream_tls = upstream_tls(hop, "proxy"),
    )
}

fn listen(hop: Hop<'_>) -> (String, String) {
    let port = format!("0.0.0.0:{}", hop.listen_port());
    if !hop.takes_tls() {
        return (port, String::new());
    }
    let ssl = format!(
        "ssl_certificate {}; ssl_certificate_key {}; ssl_client_certificate {}; ssl_verify_client on; ssl_protocols TLSv1.3;",
        hop.file("callee.pem"),
        hop.file("callee.key"),
        hop.file("ca.pem"),
    );
    (format!("{port} ssl"), ssl)
}

fn upstream_tls(hop: Hop<'_>, module: &str) -> String {
    if !hop.sends_tls() {
        return String::new();
    }
    let caller = CALLER_NAME.split('.').next().unwrap_or_default();
    format!(
        "{module}_ssl_certificate {}; {module}_ssl_certificate_key {}; {module}_ssl_trusted_certificate {}; \
         {module}_ssl_verify on; {module}_ssl_name {CALLEE_NAME}; {module}_ssl_server_name on; {module}_ssl_protocols TLSv1.3;",
        hop.file(&format!("{caller}.pem")),
        hop.file(&format!("{caller}.key")),
        hop.file("ca.pem"),
    )
}
