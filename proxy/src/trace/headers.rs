//! Headers for the collector, which may hold secrets: from a file, and never in a log.

use std::{io, path::Path};

use http::{HeaderMap, HeaderName, HeaderValue};

/// Why the file can't be used. It names lines, never what they hold.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadHeaders {
    #[error("headers file: {0}")]
    Unreadable(#[from] io::Error),
    #[error("headers file, line {0}: it must be `name: value`")]
    Line(usize),
}

/// The file's headers.
pub(super) async fn read(file: Option<&Path>) -> Result<HeaderMap, BadHeaders> {
    match file {
        Some(file) => parse(&tokio::fs::read_to_string(file).await?),
        None => Ok(HeaderMap::new()),
    }
}

/// `name: value` a line, or `name=value` as in `OTEL_EXPORTER_OTLP_HEADERS`; empty lines and such with a `#` count for nothing.
fn parse(text: &str) -> Result<HeaderMap, BadHeaders> {
    let mut headers = HeaderMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let bad = || BadHeaders::Line(number + 1);
        let (name, value) = line.split_once([':', '=']).ok_or_else(bad)?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| bad())?;
        let mut value = HeaderValue::from_str(value.trim()).map_err(|_| bad())?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_headers() {
        let headers = parse("# for the collector\nauthorization: Bearer a=b:c\n\nx-tenant=shop\n").unwrap();
        assert_eq!(headers["authorization"], "Bearer a=b:c");
        assert_eq!(headers["x-tenant"], "shop");
        assert!(!format!("{headers:?}").contains("Bearer"));
        let error = parse("a: b\nsecret").unwrap_err().to_string();
        assert!(error.contains("line 2") && !error.contains("secret"), "{error}");
    }
}
