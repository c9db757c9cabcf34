//! One query, one answer, within bounds.

use std::{fs, path::Path, time::Duration};

use isthmus_identity::crypto_provider;
use isthmus_runtime::error_text::{causes, with_causes};
use reqwest::{Response, StatusCode, header, redirect::Policy};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt;
use serde::Deserialize;

use super::{
    config::{PrometheusConfig, PrometheusError, PrometheusUrl},
    read::Sample,
};
use crate::telemetry::source::SourceError;

/// Longest answer in bytes; 10,000 edges take some 60 MB.
const MAX_ANSWER: usize = 128 << 20;
/// Longest text of Prometheus' own that an error of ours carries, in characters.
const MAX_WORDS: usize = 300;

/// What a query gives.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) samples: Vec<Sample>,
    pub(super) warnings: Vec<String>,
}

/// The body of every answer.
#[derive(Debug, Deserialize)]
struct Body {
    status: String,
    #[serde(default, rename = "errorType")]
    error_type: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
    data: Option<Data>,
}

#[derive(Debug, Deserialize)]
struct Data {
    result: Vec<Sample>,
}

#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    config: PrometheusConfig,
}

impl Client {
    pub(super) fn new(config: &PrometheusConfig) -> Result<Self, PrometheusError> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(config)?)
            // The token is for whom it was given to.
            .redirect(Policy::none())
            .no_proxy()
            .timeout(config.timeout)
            .build();
        let http = http.map_err(|error| PrometheusError::Setup(with_causes(&error)))?;
        Ok(Self { http, config: config.clone() })
    }

    /// Asks for the value of an expression, now.
    pub(super) async fn query(&self, expression: &str) -> Result<Reply, SourceError> {
        let PrometheusConfig { url, token_file, timeout, .. } = &self.config;
        let timeout_text = format!("{}ms", timeout.as_millis());
        let mut request = self.http.post(url.query()).form(&[("query", expression), ("timeout", &timeout_text)]);
        if let Some(file) = token_file {
            let token = tokio::fs::read_to_string(file).await.map_err(|error| {
                SourceError::Unavailable(format!("--prometheus-token-file {}: {error}", file.display()))
            })?;
            request = request.bearer_auth(token.trim());
        }
        let failed = |error: reqwest::Error| failed(url, *timeout, &error);
        let answer = request.header(header::ACCEPT, "application/json").send().await.map_err(failed)?;
        let status = answer.status();
        let body = self.body(answer).await?;
        self.read(status, &body)
    }

    async fn body(&self, mut answer: Response) -> Result<Vec<u8>, SourceError> {
        let PrometheusConfig { url, timeout, .. } = &self.config;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| failed(url, *timeout, &error))? {
            if body.len().saturating_add(chunk.len()) > MAX_ANSWER {
                let text =
                    format!("Prometheus at {url} answers with more than {MAX_ANSWER} bytes: ask for one namespace");
                return Err(SourceError::Unavailable(text));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn read(&self, status: StatusCode, body: &[u8]) -> Result<Reply, SourceError> {
        let PrometheusConfig { url, timeout, .. } = &self.config;
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            let text = format!("Prometheus at {url} answers {status}: check --prometheus-token-file");
            return Err(SourceError::Unavailable(text));
        }
        let not_its_api = |why: String| {
            SourceError::Unavailable(format!(
                "what answers at {url} isn't Prometheus' API ({why}): check --prometheus-url"
            ))
        };
        let body: Body = serde_json::from_slice(body).map_err(|error| not_its_api(format!("{status}, {error}")))?;
        if body.status == "success" {
            let data = body.data.ok_or_else(|| not_its_api("no data".to_owned()))?;
            return Ok(Reply { samples: data.result, warnings: body.warnings });
        }
        let said: String = body.error.chars().take(MAX_WORDS).collect();
        Err(match body.error_type.as_str() {
            "timeout" | "canceled" => SourceError::Timeout(format!(
                "Prometheus at {url} gave up within {timeout:?} ({said}): ask for a shorter window"
            )),
            kind => SourceError::Unavailable(format!("Prometheus at {url} can't answer: {kind}: {said}")),
        })
    }
}

fn failed(url: &PrometheusUrl, timeout: Duration, error: &reqwest::Error) -> SourceError {
    if error.is_timeout() {
        let remedy = "ask for a shorter window, or raise --prometheus-timeout";
        return SourceError::Timeout(format!("no answer from Prometheus at {url} within {timeout:?}: {remedy}"));
    }
    let causes = causes(error);
    SourceError::Unavailable(format!("can't ask Prometheus at {url}{causes}: is it up, and --prometheus-url right?"))
}

fn tls(config: &PrometheusConfig) -> Result<ClientConfig, PrometheusError> {
    let setup = |error: rustls::Error| PrometheusError::Setup(error.to_string());
    let builder = ClientConfig::builder_with_provider(crypto_provider());
    // It isn't of the mesh: a proxy in front of it may speak TLS 1.2.
    let builder = builder.with_safe_default_protocol_versions().map_err(setup)?;
    Ok(match &config.ca {
        Some(file) => builder.with_root_certificates(authorities(file)?).with_no_client_auth(),
        None if config.url.is_https() => builder.with_platform_verifier().map_err(setup)?.with_no_client_auth(),
        None => builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
    })
}

fn authorities(file: &Path) -> Result<RootCertStore, PrometheusError> {
    let bad = |fault: String| PrometheusError::Ca { file: file.to_owned(), fault };
    let text = fs::read(file).map_err(|error| bad(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| bad(error.to_string()))?;
        roots.add(certificate).map_err(|error| bad(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(bad("it holds no certificate (PEM)".to_owned()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests;
