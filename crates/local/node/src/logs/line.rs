//! One line of a log file: `2026-11-21T04:00:00.123456789Z stdout F text`; `P` for a piece that the next line goes on.

use jiff::Timestamp;

/// A line read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) time: &'a str,
    pub(crate) text: &'a [u8],
    /// The text ends here.
    pub(crate) whole: bool,
}

pub(crate) fn encode(time: Timestamp, stream: &str, text: &[u8], whole: bool) -> Vec<u8> {
    let mut line = format!("{time:.9} {stream} {} ", if whole { 'F' } else { 'P' }).into_bytes();
    line.extend_from_slice(text);
    line.push(b'\n');
    line
}

/// None for what isn't such a line, such as the rest of one that was cut by a full disk.
pub(crate) fn decode(line: &[u8]) -> Option<Line<'_>> {
    let mut parts = line.strip_suffix(b"\n").unwrap_or(line).splitn(4, |byte| *byte == b' ');
    let time = std::str::from_utf8(parts.next()?).ok()?;
    let _stream = parts.next()?;
    let whole = parts.next()? == b"F";
    Some(Line { time, text: parts.next()?, whole })
}
