//! Where spans are sent.

use http::Uri;

/// How spans are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// OTLP over gRPC.
    #[default]
    Grpc,
    /// OTLP as protobuf over HTTP/1.1.
    Http,
}

impl Protocol {
    /// As `OTEL_EXPORTER_OTLP_PROTOCOL` names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http/protobuf",
        }
    }

    /// Where collectors listen, if the endpoint says no port.
    const fn port(self) -> u16 {
        match self {
            Self::Grpc => 4317,
            Self::Http => 4318,
        }
    }
}

impl std::str::FromStr for Protocol {
    type Err = BadCollector;

    fn from_str(text: &str) -> Result<Self, BadCollector> {
        let known = [Self::Grpc, Self::Http].into_iter().find(|protocol| protocol.as_str() == text);
        known.ok_or_else(|| BadCollector::Protocol(text.to_owned()))
    }
}

/// Why spans can't be sent there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCollector {
    /// Its protocol isn't spoken.
    #[error("{0:?} is no protocol of traces: it must be grpc or http/protobuf")]
    Protocol(String),
    /// It isn't a URL.
    #[error("{0:?} is no URL of a collector: it must be like http://otel-collector.observability:4317")]
    Url(String),
}

/// Where spans are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    protocol: Protocol,
    tls: bool,
    host: String,
    port: u16,
    path: String,
}

impl Collector {
    /// By its URL, as in `OTEL_EXPORTER_OTLP_ENDPOINT`: over HTTP, `/v1/traces` is put behind its path.
    pub fn new(url: &str, protocol: Protocol) -> Result<Self, BadCollector> {
        // A URL may hold credentials: an error mustn't repeat them.
        let shown = || BadCollector::Url(url.rsplit_once('@').map_or(url, |(_, host)| host).to_owned());
        let uri: Uri = url.parse().map_err(|_| shown())?;
        let authority = uri.authority().ok_or_else(shown)?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(shown()),
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || authority.as_str().contains('@') || uri.query().is_some() {
            return Err(shown());
        }
        let port = authority.port_u16().unwrap_or(protocol.port());
        let path = format!("{}/v1/traces", uri.path().trim_end_matches('/'));
        Ok(Self { protocol, tls, host, port, path })
    }

    /// How it is spoken to.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Over TLS?
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// Its name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it takes spans over HTTP.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// `host:port`, as in a URL.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_collectors() {
        let of = |url: &str, protocol| Collector::new(url, protocol).map(|c| (c.authority(), c.path, c.tls));
        let grpc = of("http://otel.observability", Protocol::Grpc).unwrap();
        assert_eq!((grpc.0.as_str(), grpc.2), ("otel.observability:4317", false));
        let http = of("https://[fd00::1]:443/otlp/", Protocol::Http).unwrap();
        assert_eq!(http, ("[fd00::1]:443".into(), "/otlp/v1/traces".into(), true));
        assert_eq!(of("http://otel", Protocol::Http).unwrap().0, "otel:4318");
        for wrong in ["otel:4317", "grpc://otel:4317", "http://", "/v1", "http://otel/?a=b", ""] {
            assert_eq!(of(wrong, Protocol::Grpc), Err(BadCollector::Url(wrong.into())));
        }
        let secret = of("http://me:secret@otel", Protocol::Http).unwrap_err();
        assert!(!secret.to_string().contains("secret"));
        assert_eq!("http/json".parse::<Protocol>(), Err(BadCollector::Protocol("http/json".into())));
    }
}
