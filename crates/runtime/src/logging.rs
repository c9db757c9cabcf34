//! Logs: to stderr, as text or JSON, with a filter that can be changed while running. A service's lines go out by a queue, so that
//! a full disk or a pipe that nobody reads costs lines, never a panic and never time ([`init_queued`]).

mod queue;

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    str::FromStr,
    sync::{LazyLock, OnceLock},
    time::Duration,
};

use prometheus::{IntCounter, Opts, core::GenericCounter};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::filter_fn,
    fmt::{MakeWriter, layer, writer::BoxMakeWriter},
    layer::{Layered, SubscriberExt},
    reload,
    util::SubscriberInitExt,
};

pub use self::queue::QUEUE_BYTES;
use self::queue::Queue;

/// Longest that the end of a process waits for its last lines.
const FLUSH_TIME: Duration = Duration::from_secs(1);
/// The lines on their way out, in a process that queues them.
static QUEUE: OnceLock<Queue> = OnceLock::new();
/// Lines that couldn't be written. A counter counts without being registered.
static DROPPED: LazyLock<Option<IntCounter>> = LazyLock::new(|| {
    let opts = Opts::new("isthmus_log_lines_dropped_total", "Log lines that couldn't be written.");
    GenericCounter::with_opts(opts).ok()
});

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
    /// The thread that writes lines couldn't be started.
    #[error("starting the log's thread: {0}")]
    Thread(#[from] io::Error),
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

/// Sets up the logs of a command for people; once per process. Each line is written before the program goes on.
pub fn init(format: Format, filter: &str) -> Result<Handle, LoggingError> {
    init_to(format, filter, BoxMakeWriter::new(io::stderr))
}

/// Sets up the logs of a service; once per process. Lines are written by a thread of their own; [`flush`] waits for the last.
pub fn init_queued(format: Format, filter: &str) -> Result<Handle, LoggingError> {
    parse(filter)?;
    let dropped = dropped().ok_or(LoggingError::AlreadySet)?;
    let queue = Queue::start(io::stderr(), dropped)?;
    let handle = init_to(format, filter, queue.clone())?;
    let _ = QUEUE.set(queue);
    Ok(handle)
}

/// Writes a line for people where the logs go. What can't be written is lost: nothing waits for it.
pub fn say(line: &str) {
    put(format!("{line}\n").as_bytes());
}

fn put(line: &[u8]) {
    match QUEUE.get() {
        Some(queue) => queue.put(line),
        None => drop(io::stderr().write_all(line)),
    }
}

/// A way to the log for a thread that has many lines: it shares no lock with others that have many.
pub struct Lane(Option<queue::Lane>);

/// Opens one.
pub fn lane() -> Lane {
    Lane(QUEUE.get().map(Queue::lane))
}

impl Lane {
    /// Writes a line, with its end, by appending it to what it is given. What can't be written is lost: nothing waits for it.
    pub fn put(&self, write: impl FnOnce(&mut Vec<u8>)) {
        match &self.0 {
            Some(lane) => lane.put(write),
            None => {
                let mut line = Vec::new();
                write(&mut line);
                let _ = io::stderr().write_all(&line);
            }
        }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("logging::Lane")
    }
}

/// Waits (for a second at most) until all lines are out. To be called before the process ends.
pub fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(FLUSH_TIME);
    }
}

/// Counts the lines that couldn't be written, `isthmus_log_lines_dropped_total`.
pub(crate) fn dropped() -> Option<IntCounter> {
    DROPPED.clone()
}

fn init_to<W>(format: Format, filter: &str, writer: W) -> Result<Handle, LoggingError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(parse(filter)?);
    let registry: Layered<_, Registry> = tracing_subscriber::registry().with(filter);
    // A line that can't be written is no reason to write another one (which panics where stderr is full).
    let out = match format {
        Format::Json => layer().json().flatten_event(true).log_internal_errors(false).with_writer(writer).boxed(),
        Format::Text => {
            let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
            layer().with_ansi(colour).log_internal_errors(false).with_writer(writer).boxed()
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
    let bad = |fault: String| LoggingError::BadFilter { filter: filter.to_owned(), fault };
    // To `EnvFilter` any word is a target of which all is wanted, and of the rest nothing: a slip of the pen would silence the log.
    let word = |part: &&str| !part.is_empty() && !part.contains(['=', '[']);
    let unknown = filter.split(',').map(str::trim).filter(word).find(|part| part.parse::<LevelFilter>().is_err());
    if let Some(unknown) = unknown {
        return Err(bad(format!("{unknown:?} is no level: off, error, warn, info, debug or trace")));
    }
    EnvFilter::try_new(filter).map_err(|error| bad(error.to_string()))
}

#[cfg(test)]
mod tests;
