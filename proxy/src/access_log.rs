//! The access log: a line for each request and connection when it is over (docs/access-log.md).

mod line;
mod memo;
mod record;
mod time;

use std::{
    cell::Cell,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use isthmus_core::telemetry::settings::{AccessLog as Said, LogFormat};
use isthmus_runtime::logging;

pub(crate) use self::{
    memo::{Alike, Memo},
    record::Record,
    time::{Clock, Stamp},
};

/// For so long an answer holds whether anybody wants lines: filters change seldom, and each request would look through all of them.
const ASKED: Duration = Duration::from_millis(100);

/// Where the lines go.
pub trait Lines: fmt::Debug + Send + Sync {
    /// Does anybody want them?
    fn are_wanted(&self) -> bool {
        true
    }

    /// A worker's own way there.
    fn lane(&self) -> Box<dyn Lane>;
}

/// Where one worker's lines go.
pub trait Lane: fmt::Debug {
    /// Takes a whole line, with its end, that is appended to what is given. It never waits.
    fn put(&self, write: &mut dyn FnMut(&mut Vec<u8>));
}

/// Where the process's log goes, unless its filter has `access` off.
#[derive(Debug)]
pub struct ProcessLog;

impl Lines for ProcessLog {
    fn are_wanted(&self) -> bool {
        tracing::enabled!(target: "access", tracing::Level::INFO)
    }

    fn lane(&self) -> Box<dyn Lane> {
        Box::new(logging::lane())
    }
}

impl Lane for logging::Lane {
    fn put(&self, write: &mut dyn FnMut(&mut Vec<u8>)) {
        self.put(write);
    }
}

/// How a proxy logs where nobody says otherwise.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Is there a line for each request and connection?
    pub on: bool,
    /// How it looks.
    pub format: LogFormat,
    /// Where it goes.
    pub lines: Arc<dyn Lines>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { on: true, format: LogFormat::Json, lines: Arc::new(ProcessLog) }
    }
}

/// The access log of one worker.
pub(crate) struct AccessLog {
    settings: Settings,
    said: Cell<Said>,
    /// What was drawn last, for samples.
    drawn: Cell<u64>,
    lane: Box<dyn Lane>,
    /// When it was last asked whether anybody wants lines, and the answer.
    wanted: Cell<(Option<Instant>, bool)>,
}

impl AccessLog {
    pub(crate) fn new(settings: Settings, seed: u64) -> Self {
        let lane = settings.lines.lane();
        Self { settings, said: Cell::default(), drawn: Cell::new(seed), lane, wanted: Cell::default() }
    }

    /// From now on it is as users say.
    pub(crate) fn set(&self, said: Said) {
        self.said.set(said);
    }

    /// Might there be a line now?
    pub(crate) fn is_on(&self, now: Instant) -> bool {
        self.said.get().on.unwrap_or(self.settings.on) && self.is_wanted(now)
    }

    fn is_wanted(&self, now: Instant) -> bool {
        let (asked, wanted) = self.wanted.get();
        if asked.is_some_and(|asked| now.saturating_duration_since(asked) < ASKED) {
            return wanted;
        }
        let wanted = self.settings.lines.are_wanted();
        self.wanted.set((Some(now), wanted));
        wanted
    }

    /// Writes a line, unless it belongs to what isn't sampled.
    pub(crate) fn write(&self, record: &Record<'_>) {
        let Said { format, sample, .. } = self.said.get();
        if sample.is_some_and(|share| !record.is_remarkable() && !share.takes(self.draw())) {
            return;
        }
        let format = format.unwrap_or(self.settings.format);
        self.lane.put(&mut |lines| line::write(record, format, lines));
    }

    /// 64 bits that are spread evenly (SplitMix64).
    fn draw(&self) -> u64 {
        let next = self.drawn.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.drawn.set(next);
        let mixed = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// A record as one JSON object, for taps.
pub(crate) fn json(record: &Record<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    line::write(record, LogFormat::Json, &mut text);
    text.pop();
    text
}

#[cfg(test)]
mod tests;
