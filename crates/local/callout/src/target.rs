//! Where a webhook or an aggregated API is: `clientConfig` by URL or by Service.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Uri;
use serde_json::Value;

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceReference {
    /// The Service's namespace.
    pub namespace: String,
    /// The Service's name.
    pub name: String,
    /// The port; 443 unless given.
    pub port: u16,
}

impl ServiceReference {
    /// Reads `{namespace, name, port}`.
    pub(crate) fn parse(reference: &Value) -> Result<Self, Fault> {
        let text = |field: &'static str| match reference.get(field).and_then(Value::as_str) {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(Fault { field: format!("service.{field}"), required: true, detail: "" }),
        };
        let port = match reference.get("port") {
            None | Some(Value::Null) => 443,
            Some(port) => {
                port.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|&port| port > 0).ok_or(Fault {
                    field: "service.port".to_owned(),
                    required: false,
                    detail: "port is not valid: must be between 1 and 65535, inclusive",
                })?
            }
        };
        Ok(Self { namespace: text("namespace")?, name: text("name")?, port })
    }

    /// The name in its certificate: `<name>.<namespace>.svc`.
    pub(crate) fn host(&self) -> String {
        format!("{}.{}.svc", self.name, self.namespace)
    }
}

/// A fault in a `clientConfig`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Below `clientConfig`.
    pub(crate) field: String,
    pub(crate) required: bool,
    pub(crate) detail: &'static str,
}

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Host { host: String, port: u16 },
    Service(ServiceReference),
}

/// Where to POST to, and which roots to believe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) place: Place,
    pub(crate) path: String,
    /// PEM; empty when not given.
    pub(crate) bundle: Vec<u8>,
}

impl Target {
    /// Reads a `clientConfig`.
    pub(crate) fn parse(config: &Value) -> Result<Self, Fault> {
        let fault = |field: &str, detail| Fault { field: field.to_owned(), required: false, detail };
        let bundle = bundle(config).map_err(|detail| fault("caBundle", detail))?;
        let present = |field| config.get(field).filter(|value: &&Value| !value.is_null());
        let (place, path) = match (present("url"), present("service")) {
            (Some(url), None) => {
                url.as_str().ok_or("must be a string").and_then(parse_url).map_err(|d| fault("url", d))?
            }
            (None, Some(service)) => {
                let path = service.get("path").and_then(Value::as_str).unwrap_or("/");
                let path = format!("/{}", path.trim_start_matches('/'));
                if path.parse::<http::uri::PathAndQuery>().is_err() || path.contains(['?', '#']) {
                    return Err(fault("service.path", "must be a URL path"));
                }
                (Place::Service(ServiceReference::parse(service)?), path)
            }
            _ => {
                let detail = "exactly one of url or service is required";
                return Err(Fault { field: String::new(), required: true, detail });
            }
        };
        Ok(Self { place, path, bundle })
    }

    /// The host as it stands in the URL, in `Host` and in the certificate.
    pub(crate) fn host(&self) -> String {
        match &self.place {
            Place::Host { host, .. } => host.clone(),
            Place::Service(service) => service.host(),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        match &self.place {
            Place::Host { port, .. } => *port,
            Place::Service(service) => service.port,
        }
    }

    /// `host:port`, with an IPv6 address in brackets.
    pub(crate) fn authority(&self) -> String {
        let (host, port) = (self.host(), self.port());
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// The decoded `caBundle`; empty when there is none.
pub(crate) fn bundle(config: &Value) -> Result<Vec<u8>, &'static str> {
    match config.get("caBundle").and_then(Value::as_str) {
        None | Some("") => Ok(Vec::new()),
        Some(text) => {
            let pem = BASE64_STANDARD.decode(text).map_err(|_| "must be base64")?;
            crate::tls::roots(&pem).map_err(|_| "unable to load root certificates: must be PEM certificates")?;
            Ok(pem)
        }
    }
}

fn parse_url(url: &str) -> Result<(Place, String), &'static str> {
    if url.contains('#') {
        return Err("fragments are not permitted in the URL");
    }
    let uri: Uri = url.parse().map_err(|_| "must be a valid URL")?;
    if uri.scheme_str() != Some("https") {
        return Err("'https' is the only allowed URL scheme");
    }
    let authority = uri.authority().ok_or("host must be specified")?;
    if authority.as_str().contains('@') {
        return Err("user information is not permitted in the URL");
    }
    if uri.query().is_some() {
        return Err("query parameters are not permitted in the URL");
    }
    let host = authority.host().trim_matches(['[', ']']);
    if host.is_empty() {
        return Err("host must be specified");
    }
    Ok((Place::Host { host: host.to_owned(), port: authority.port_u16().unwrap_or(443) }, uri.path().to_owned()))
}

#[cfg(test)]
mod tests;
