//! A record as a line: of JSON, or of `key=value` pairs.

use std::io::Write;

use isthmus_core::telemetry::settings::LogFormat;

use super::record::{Fields, Record};

/// Appends a line with its end. Memory is all that is written to, so nothing fails.
pub(crate) fn write(record: &Record<'_>, format: LogFormat, line: &mut Vec<u8>) {
    match format {
        LogFormat::Json => {
            record.tell(&mut Json(line));
            line.extend_from_slice(b"}\n");
        }
        LogFormat::Text => {
            let from = line.len();
            record.tell(&mut Text { line, from });
            line.push(b'\n');
        }
    }
}

struct Json<'l>(&'l mut Vec<u8>);

impl Json<'_> {
    fn name(&mut self, name: &str) {
        let before = if matches!(self.0.last(), None | Some(b'\n')) { '{' } else { ',' };
        let _ = write!(self.0, "{before}\"{name}\":");
    }
}

impl Fields for Json<'_> {
    fn text(&mut self, name: &'static str, value: &str) {
        self.name(name);
        let _ = serde_json::to_writer(&mut *self.0, value);
    }

    fn plain(&mut self, name: &'static str, value: impl std::fmt::Display) {
        self.name(name);
        let _ = write!(self.0, "\"{value}\"");
    }

    fn number(&mut self, name: &'static str, value: u64) {
        self.name(name);
        let _ = write!(self.0, "{value}");
    }
}

struct Text<'l> {
    line: &'l mut Vec<u8>,
    from: usize,
}

impl Text<'_> {
    fn name(&mut self, name: &str) {
        if self.line.len() > self.from {
            self.line.push(b' ');
        }
        let _ = write!(self.line, "{name}=");
    }
}

impl Fields for Text<'_> {
    /// In quotes, as in JSON, where it could be taken for something else.
    fn text(&mut self, name: &'static str, value: &str) {
        self.name(name);
        if !value.is_empty()
            && value.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\'))
        {
            self.line.extend_from_slice(value.as_bytes());
        } else {
            let _ = serde_json::to_writer(&mut *self.line, value);
        }
    }

    fn plain(&mut self, name: &'static str, value: impl std::fmt::Display) {
        self.name(name);
        let _ = write!(self.line, "{value}");
    }

    fn number(&mut self, name: &'static str, value: u64) {
        self.plain(name, value);
    }
}
