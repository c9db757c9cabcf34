//! What a sidecar is told of traces at its start.

use std::path::PathBuf;

use isthmus_core::trace::{Collector, Format, Formats, Ratio};

/// All that a sidecar is told of traces.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where spans go.
    pub collector: Collector,
    /// The share of the traces that begin here, unless the namespace says otherwise.
    pub sampling: Ratio,
    /// Headers that are written, beside those that came in.
    pub formats: Formats,
    /// File with headers for the collector, `name: value` a line; read anew for every batch, so that secrets can be rotated.
    pub headers_file: Option<PathBuf>,
    /// Roots of the collector's certificate; the system's if there are none.
    pub roots: Option<Roots>,
}

/// Where the roots of the collector's certificate are, as PEM.
#[derive(Debug, Clone)]
pub enum Roots {
    /// In a file.
    File(PathBuf),
    /// Here.
    Pem(String),
}

impl Settings {
    /// With every optional part at its default.
    pub fn new(collector: Collector) -> Self {
        Self {
            collector,
            sampling: Ratio::per_million(10_000),
            formats: [Format::W3c].into_iter().collect(),
            headers_file: None,
            roots: None,
        }
    }
}
