//! Which trace a request belongs to, as its headers say: W3C Trace Context, B3 and Jaeger's `uber-trace-id`.
//!
//! What is read comes from whoever calls, and is trusted for nothing but the shape of a trace.

mod b3;
mod collector;
mod hex;
mod jaeger;
mod sampling;
mod state;
mod w3c;

use http::{HeaderMap, HeaderValue};

pub use self::{
    collector::{BadCollector, Collector, Protocol},
    sampling::{BadRatio, Ratio, SampledRoute, Sampling},
    state::{MAX_STATE_BYTES, state},
};

/// The id of a trace; never all zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// The id of a span; never all zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

impl TraceId {
    /// `None` for zeros, which are no id.
    pub fn new(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// As it is sent.
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// Ids of 64 bits are common in B3 and Jaeger: they are written as short as they came.
    fn is_short(self) -> bool {
        self.0.starts_with(&[0; 8])
    }

    /// The part that is random however the id was made.
    fn low(self) -> u64 {
        let [.., a, b, c, d, e, f, g, h] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl SpanId {
    /// `None` for zeros, which are no id.
    pub fn new(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }

    /// As it is sent.
    pub const fn bytes(self) -> [u8; 8] {
        self.0
    }
}

impl std::fmt::Display for TraceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::written(&self.0))
    }
}

impl std::fmt::Display for SpanId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::written(&self.0))
    }
}

/// A way to write trace context into headers. In the order of precedence: the first that can be read counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `traceparent` and `tracestate`.
    W3c,
    /// B3 in one header, `b3`.
    B3,
    /// B3 in several headers, `x-b3-*`.
    B3Multi,
    /// Jaeger's `uber-trace-id`.
    Jaeger,
}

impl Format {
    /// All, in the order of precedence.
    pub const ALL: [Self; 4] = [Self::W3c, Self::B3, Self::B3Multi, Self::Jaeger];

    /// As it is named in settings: the names of `OTEL_PROPAGATORS`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::W3c => "tracecontext",
            Self::B3 => "b3",
            Self::B3Multi => "b3multi",
            Self::Jaeger => "jaeger",
        }
    }
}

/// No format has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no trace format: it must be tracecontext, b3, b3multi or jaeger")]
pub struct UnknownFormat(pub String);

impl std::str::FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let known = Self::ALL.into_iter().find(|format| format.as_str() == text);
        known.ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

/// A set of formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Formats(u8);

impl Formats {
    /// Is it one of them?
    pub const fn contains(self, format: Format) -> bool {
        self.0 & (1 << format as u8) != 0
    }

    /// These and those.
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// These without those.
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }
}

impl FromIterator<Format> for Formats {
    fn from_iter<I: IntoIterator<Item = Format>>(formats: I) -> Self {
        Self(formats.into_iter().fold(0, |set, format| set | (1 << format as u8)))
    }
}

/// The span that a request was sent in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// Its trace.
    pub trace: TraceId,
    /// The span itself.
    pub span: SpanId,
    /// The trace's id is known to be random (W3C level 2).
    pub random: bool,
}

/// What one format says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Said {
    parent: Option<Parent>,
    sampled: Option<bool>,
    debug: bool,
}

/// What a request's headers say of its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    /// The span that it was sent in; `None`: it begins a trace.
    pub parent: Option<Parent>,
    /// Whether whoever began the trace wants it recorded; `None`: nobody has decided.
    pub sampled: Option<bool>,
    /// It is to be recorded whatever that costs (B3, Jaeger).
    pub debug: bool,
    /// Formats of which a header is there.
    pub present: Formats,
    /// Those of them that could be read.
    pub valid: Formats,
    /// There is a `tracestate`.
    pub has_state: bool,
}

/// Reads a request's trace context. A format that can't be read counts as absent.
pub fn extract(headers: &HeaderMap) -> Found {
    let (mut found, traceparent) = present(headers);
    let mut taken = false;
    for format in Format::ALL.into_iter().filter(|format| found.present.contains(*format)) {
        let said = match format {
            Format::W3c => w3c::read(traceparent),
            Format::B3 => b3::read(headers),
            Format::B3Multi => b3::read_multi(headers),
            Format::Jaeger => jaeger::read(headers),
        };
        let Some(Ok(said)) = said else { continue };
        found.valid = found.valid.and(Formats::from_iter([format]));
        if !taken {
            taken = true;
            (found.parent, found.sampled, found.debug) = (said.parent, said.sampled, said.debug);
        }
    }
    found
}

/// What is there at all: one look at each name in the place of a search for every header, for most requests have none of them.
/// The most common one is there already with what it says.
fn present(headers: &HeaderMap) -> (Found, Lines<'_>) {
    let (mut found, mut traceparent) = (Found::default(), Lines::None);
    for (name, value) in headers {
        let format = match name.as_str() {
            "traceparent" => {
                traceparent = if matches!(traceparent, Lines::None) { Lines::One(value) } else { Lines::Several };
                Format::W3c
            }
            "b3" => Format::B3,
            "x-b3-traceid" | "x-b3-sampled" | "x-b3-flags" => Format::B3Multi,
            "uber-trace-id" => Format::Jaeger,
            "tracestate" => {
                found.has_state = true;
                continue;
            }
            _ => continue,
        };
        found.present = found.present.and(Formats::from_iter([format]));
    }
    (found, traceparent)
}

/// A field of which there may be one line only.
#[derive(Clone, Copy)]
enum Lines<'h> {
    None,
    One(&'h HeaderValue),
    Several,
}

/// A header is there that isn't in its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Malformed;

/// What a request that goes on says of its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// The trace.
    pub trace: TraceId,
    /// The span that the request is sent in.
    pub span: SpanId,
    /// That span's own parent.
    pub parent: Option<SpanId>,
    /// It is recorded.
    pub sampled: bool,
    /// It is to be recorded whatever that costs.
    pub debug: bool,
    /// The trace's id is known to be random.
    pub random: bool,
}

/// Writes a request's trace context in these formats. `tracestate` belongs to the `traceparent` that it came with: it stays
/// where that was the one followed, and goes where it wasn't.
pub fn inject(headers: &mut HeaderMap, context: &Context, formats: Formats, found: &Found) {
    if found.has_state && !found.valid.contains(Format::W3c) {
        headers.remove(state::TRACESTATE);
    }
    for format in Format::ALL.into_iter().filter(|format| formats.contains(*format)) {
        match format {
            Format::W3c => w3c::write(headers, context),
            Format::B3 => b3::write(headers, context),
            Format::B3Multi => b3::write_multi(headers, context),
            Format::Jaeger => jaeger::write(headers, context),
        }
    }
}

#[cfg(test)]
mod tests;
