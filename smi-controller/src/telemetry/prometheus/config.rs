//! Where Prometheus is, and how it is talked to.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use reqwest::Url;

/// What the controller is told of a Prometheus server.
#[derive(Debug, Clone)]
pub struct PrometheusConfig {
    /// Its address.
    pub url: PrometheusUrl,
    /// Certificates of the authorities that it is known by, PEM; without, those of the system.
    pub ca: Option<PathBuf>,
    /// A bearer token, read for each query.
    pub token_file: Option<PathBuf>,
    /// How long it may take to answer.
    pub timeout: Duration,
}

/// Why the configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusError {
    /// The file of authorities can't be read, or holds none.
    #[error("--prometheus-ca {}: {fault}", file.display())]
    Ca {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// TLS or HTTP can't be set up.
    #[error("--prometheus-url: {0}")]
    Setup(String),
}

/// `http://` or `https://`, a host, perhaps a path before `/api/v1`. It holds no secret, so it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrometheusUrl(Url);

/// Why a text is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Not a URL.
    #[error("not a URL: {0}; write it like http://prometheus.monitoring.svc:9090")]
    Syntax(String),
    /// Another scheme.
    #[error("{0}: neither http nor https")]
    Scheme(String),
    /// It would be shown in errors.
    #[error("a user or password doesn't belong in a URL: use --prometheus-token-file")]
    Secret,
    /// These are ours to make.
    #[error("a query (?) or fragment (#) doesn't belong in it")]
    Query,
}

impl FromStr for PrometheusUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let mut url = Url::parse(text).map_err(|error| BadUrl::Syntax(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadUrl::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadUrl::Secret);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BadUrl::Query);
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }
}

impl fmt::Display for PrometheusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl PrometheusUrl {
    /// Where instant queries are answered.
    pub(super) fn query(&self) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/api/v1/query", self.0.path().trim_end_matches('/')));
        url
    }

    pub(super) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_before_the_api_is_kept() {
        for (text, query) in [
            ("http://prometheus:9090", "http://prometheus:9090/api/v1/query"),
            ("http://prometheus:9090/", "http://prometheus:9090/api/v1/query"),
            ("https://thanos.example/tenant/a/", "https://thanos.example/tenant/a/api/v1/query"),
        ] {
            let url: PrometheusUrl = text.parse().unwrap();
            assert_eq!(url.query().as_str(), query);
            assert_eq!(url.to_string(), text.trim_end_matches('/'));
        }
    }

    #[test]
    fn what_it_cannot_be_is_told() {
        let error = |text: &str| text.parse::<PrometheusUrl>().unwrap_err();
        assert_eq!(error("ftp://p"), BadUrl::Scheme("ftp".into()));
        assert_eq!(error("http://me:secret@p"), BadUrl::Secret);
        assert_eq!(error("http://p/?a=b"), BadUrl::Query);
        assert!(matches!(error("prometheus"), BadUrl::Syntax(_)));
    }
}
