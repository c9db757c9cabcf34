//! A record as a line: of JSON, or of `key=value` pairs. A proxy writes one for each request, so nothing here goes through the
//! machinery of `std::fmt` but what is rare.

use std::{fmt::Display, io::Write, net::SocketAddr};

use isthmus_core::{id::ObjectName, telemetry::settings::LogFormat};

use super::record::{Fields, Name, Record};

/// Appends a line with its end. Memory is all that is written to, so nothing fails.
pub(crate) fn write(record: &Record<'_>, format: LogFormat, line: &mut Vec<u8>) {
    line.reserve(LIKELY);
    let from = line.len();
    match format {
        LogFormat::Json => {
            record.tell(&mut Json { line });
            // Each field begins with a comma; the first one's is the object's beginning.
            if let Some(first) = line.get_mut(from) {
                *first = b'{';
            }
            line.extend_from_slice(b"}\n");
        }
        LogFormat::Text => {
            record.tell(&mut Text { line, from });
            line.push(b'\n');
        }
    }
}

/// Bytes that most lines don't exceed.
const LIKELY: usize = 1024;

struct Json<'l> {
    line: &'l mut Vec<u8>,
}

impl Json<'_> {
    fn quoted(&mut self, name: Name, value: impl FnOnce(&mut Vec<u8>)) {
        self.line.extend_from_slice(name.quoted.as_bytes());
        value(self.line);
        self.line.push(b'"');
    }
}

impl Fields for Json<'_> {
    const FORMAT: LogFormat = LogFormat::Json;

    fn line(&mut self) -> &mut Vec<u8> {
        self.line
    }

    fn text(&mut self, name: Name, value: &str) {
        if is_itself(value) {
            self.plain(name, value);
        } else {
            self.line.extend_from_slice(name.json.as_bytes());
            let _ = serde_json::to_writer(&mut *self.line, value);
        }
    }

    fn ascii(&mut self, name: Name, value: &[u8]) {
        self.quoted(name, |line| line.extend_from_slice(value));
    }

    fn shown(&mut self, name: Name, value: impl Display) {
        self.quoted(name, |line| drop(write!(line, "{value}")));
    }

    fn number(&mut self, name: Name, value: u64) {
        self.line.extend_from_slice(name.json.as_bytes());
        number(value, self.line);
    }

    fn address(&mut self, name: Name, value: SocketAddr) {
        self.quoted(name, |line| address(value, line));
    }

    fn object(&mut self, name: Name, value: &ObjectName) {
        self.quoted(name, |line| object(value, line));
    }

    fn constant(&mut self, json: &'static str, _: &'static str) {
        self.line.extend_from_slice(json.as_bytes());
    }
}

struct Text<'l> {
    line: &'l mut Vec<u8>,
    from: usize,
}

impl Text<'_> {
    fn space(&mut self) {
        if self.line.len() > self.from {
            self.line.push(b' ');
        }
    }

    fn name(&mut self, name: Name) {
        self.space();
        self.line.extend_from_slice(name.text.as_bytes());
    }
}

impl Fields for Text<'_> {
    const FORMAT: LogFormat = LogFormat::Text;

    fn line(&mut self) -> &mut Vec<u8> {
        self.line
    }

    /// In quotes, as in JSON, where it could be taken for something else.
    fn text(&mut self, name: Name, value: &str) {
        self.name(name);
        if !value.is_empty()
            && value.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\'))
        {
            self.line.extend_from_slice(value.as_bytes());
        } else {
            let _ = serde_json::to_writer(&mut *self.line, value);
        }
    }

    fn ascii(&mut self, name: Name, value: &[u8]) {
        self.name(name);
        self.line.extend_from_slice(value);
    }

    fn shown(&mut self, name: Name, value: impl Display) {
        self.name(name);
        let _ = write!(self.line, "{value}");
    }

    fn number(&mut self, name: Name, value: u64) {
        self.name(name);
        number(value, self.line);
    }

    fn address(&mut self, name: Name, value: SocketAddr) {
        self.name(name);
        address(value, self.line);
    }

    fn object(&mut self, name: Name, value: &ObjectName) {
        self.name(name);
        object(value, self.line);
    }

    fn constant(&mut self, _: &'static str, text: &'static str) {
        self.space();
        self.line.extend_from_slice(text.as_bytes());
    }
}

/// Is it within JSON's quotes what it is without them? All bytes are looked at, so that many are at a time.
fn is_itself(value: &str) -> bool {
    value.bytes().fold(true, |so_far, byte| so_far & (byte >= b' ') & (byte != b'"') & (byte != b'\\'))
}

fn object(value: &ObjectName, line: &mut Vec<u8>) {
    for part in [value.namespace.as_bytes(), b"/", value.name.as_bytes()] {
        line.extend_from_slice(part);
    }
}

fn number(value: u64, line: &mut Vec<u8>) {
    line.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn address(value: SocketAddr, line: &mut Vec<u8>) {
    let SocketAddr::V4(v4) = value else {
        let _ = write!(line, "{value}");
        return;
    };
    for (octet, end) in v4.ip().octets().into_iter().zip(*b"...:") {
        number(octet.into(), line);
        line.push(end);
    }
    number(v4.port().into(), line);
}
