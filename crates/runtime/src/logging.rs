//! Logs: to stderr, as text or JSON, with a filter that can be changed while running.

use std::{
    fmt,
    io::{self, IsTerminal},
    str::FromStr,
};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::filter_fn,
    fmt::layer,
    layer::{Layered, SubscriberExt},
    reload,
    util::SubscriberInitExt,
};

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people; coloured on a terminal unless `NO_COLOR` is set.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("{text:?} is not a log format; use text or json")),
        }
    }
}

/// Why logging can't begin or change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoggingError {
    /// The filter doesn't parse.
    #[error("log filter {filter:?}: {fault}; write a level or directives like info,isthmus_proxy=debug")]
    BadFilter {
        /// As given.
        filter: String,
        /// What the parser says.
        fault: String,
    },
    /// The process has a subscriber already.
    #[error("logging is set up already")]
    AlreadySet,
    /// The subscriber is gone, as while the process ends.
    #[error("logging has ended")]
    Gone,
}

/// Changes the filter of the running process.
#[derive(Clone)]
pub struct Handle(pub(crate) reload::Handle<EnvFilter, Registry>);

/// Does the filter parse? For command lines, which want to say so before anything else happens.
pub fn check(filter: &str) -> Result<String, LoggingError> {
    parse(filter).map(|_| filter.to_owned())
}

/// Sets up the process's logs; once per process.
pub fn init(format: Format, filter: &str) -> Result<Handle, LoggingError> {
    let (filter, handle) = reload::Layer::new(parse(filter)?);
    let registry: Layered<_, Registry> = tracing_subscriber::registry().with(filter);
    let out = match format {
        Format::Json => layer().json().flatten_event(true).with_writer(io::stderr).boxed(),
        Format::Text => {
            let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
            layer().with_ansi(colour).with_writer(io::stderr).boxed()
        }
    };
    registry.with(out.with_filter(filter_fn(ours_or_mild))).try_init().map_err(|_| LoggingError::AlreadySet)?;
    Ok(Handle(handle))
}

/// Other people's crates print what they carry (headers, frames, bodies) at debug and trace. Tokens are among it,
/// so those levels are for our own code only, whatever the filter says.
fn ours_or_mild(metadata: &tracing::Metadata<'_>) -> bool {
    metadata.target().starts_with("isthmus") || *metadata.level() <= LevelFilter::INFO
}

impl Handle {
    /// Replaces the filter. On an error the old one stays.
    pub fn set(&self, filter: &str) -> Result<(), LoggingError> {
        self.0.reload(parse(filter)?).map_err(|_| LoggingError::Gone)
    }

    /// The present filter.
    pub fn filter(&self) -> Result<String, LoggingError> {
        self.0.with_current(ToString::to_string).map_err(|_| LoggingError::Gone)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("logging::Handle")
    }
}

fn parse(filter: &str) -> Result<EnvFilter, LoggingError> {
    EnvFilter::try_new(filter).map_err(|e| LoggingError::BadFilter { filter: filter.to_owned(), fault: e.to_string() })
}

#[cfg(test)]
mod tests;
