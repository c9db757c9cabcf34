//! Bytes: headers, frames with a checksum, and the records in them. Integers are little-endian.
//!
//! ```text
//! header  magic[8] version:u16 revision:u64 crc:u32
//! frame   magic[4] length:u32 crc:u32 payload[length]      crc over length and payload
//! payload record*
//! record  kind:u8 revision:u64 resource:str namespaced:u8 namespace:str name:str json:str     str: length:u32 bytes
//! ```

use std::sync::Arc;

use serde_json::Value;

use crate::model::set_resource_version;
use crate::state::{Change, State};
use crate::{Entry, Event, EventKind, Key};

/// The version that is written and read.
pub(super) const FORMAT_VERSION: u16 = 1;
pub(super) const HEADER_BYTES: u64 = 22;
pub(super) const LOG_MAGIC: [u8; 8] = *b"ISTHMLOG";
pub(super) const SNAPSHOT_MAGIC: [u8; 8] = *b"ISTHSNAP";

/// Begins with a byte that UTF-8 never has, so that no object's text looks like a frame.
const FRAME_MAGIC: [u8; 4] = [0xF5, b'I', b'S', b'F'];
const FRAME_HEAD: usize = 12;

pub(super) fn header(magic: [u8; 8], revision: u64) -> Vec<u8> {
    header_of_version(magic, FORMAT_VERSION, revision)
}

pub(super) fn header_of_version(magic: [u8; 8], version: u16, revision: u64) -> Vec<u8> {
    let mut bytes = magic.to_vec();
    bytes.extend(version.to_le_bytes());
    bytes.extend(revision.to_le_bytes());
    let crc = crc32c(&[&bytes]);
    bytes.extend(crc.to_le_bytes());
    bytes
}

/// Why a header can't be used.
pub(super) enum BadHeader {
    Short,
    Damaged(&'static str),
    Version(u16),
}

/// The revision in a header.
pub(super) fn read_header(bytes: &[u8], magic: [u8; 8]) -> Result<u64, BadHeader> {
    let mut reader = Reader(bytes);
    let Ok(found) = reader.take(magic.len()) else { return Err(BadHeader::Short) };
    if found != magic {
        return Err(BadHeader::Damaged("not a file of this store"));
    }
    let (Ok(version), Ok(revision)) = (reader.u16(), reader.u64()) else { return Err(BadHeader::Short) };
    let covered = bytes.get(..18).unwrap_or_default();
    let Ok(crc) = reader.u32() else { return Err(BadHeader::Short) };
    if crc != crc32c(&[covered]) {
        return Err(BadHeader::Damaged("the header's checksum is wrong"));
    }
    if version != FORMAT_VERSION {
        return Err(BadHeader::Version(version));
    }
    Ok(revision)
}

/// One write, or one object of a snapshot, as it lies in a file.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) kind: Kind,
    pub(super) revision: u64,
    pub(super) key: Key,
    /// The object as JSON; empty for a deletion.
    pub(super) json: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Added,
    Modified,
    Deleted,
    /// An object of a snapshot.
    Present,
    /// The end of a snapshot; its revision is the number of objects.
    End,
}

impl Record {
    pub(super) fn of(change: &Change) -> Self {
        let kind = match change.event.kind {
            EventKind::Added => Kind::Added,
            EventKind::Modified => Kind::Modified,
            EventKind::Deleted => Kind::Deleted,
        };
        let (key, json) = (change.event.key.clone(), change.json.clone());
        Self { kind, revision: change.event.revision, key, json }
    }

    pub(super) fn end(count: u64) -> Self {
        Self { kind: Kind::End, revision: count, key: Key::new("", None, ""), json: Vec::new() }
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), String> {
        out.push(match self.kind {
            Kind::Added => 1,
            Kind::Modified => 2,
            Kind::Deleted => 3,
            Kind::Present => 4,
            Kind::End => 5,
        });
        out.extend(self.revision.to_le_bytes());
        put(out, self.key.resource.as_bytes())?;
        out.push(u8::from(self.key.namespace.is_some()));
        put(out, self.key.space().as_bytes())?;
        put(out, self.key.name.as_bytes())?;
        put(out, &self.json)
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, String> {
        let kind = match reader.u8()? {
            1 => Kind::Added,
            2 => Kind::Modified,
            3 => Kind::Deleted,
            4 => Kind::Present,
            5 => Kind::End,
            other => return Err(format!("unknown record kind {other}")),
        };
        let revision = reader.u64()?;
        let resource = reader.text()?.into();
        let namespaced = reader.u8()? != 0;
        let space = reader.text()?;
        let namespace = namespaced.then(|| space.into());
        let name = reader.text()?.into();
        let json = reader.bytes()?.to_vec();
        Ok(Self { kind, revision, key: Key { resource, namespace, name }, json })
    }

    /// The object, with its `resourceVersion`.
    pub(super) fn object(&self) -> Result<Value, String> {
        let mut object = serde_json::from_slice(&self.json).map_err(|e| format!("{}: {e}", self.key))?;
        set_resource_version(&mut object, self.revision).map_err(|e| format!("{}: {e}", self.key))?;
        Ok(object)
    }

    pub(super) fn entry(self) -> Result<Entry, String> {
        Ok(Entry { object: Arc::new(self.object()?), revision: self.revision, key: self.key })
    }

    /// What this record of a log did to the state before it.
    pub(super) fn change(self, state: &State) -> Result<Change, String> {
        let expected = state.revision().saturating_add(1);
        if self.revision != expected {
            return Err(format!("revision {} where {expected} is due", self.revision));
        }
        let previous = state.get(&self.key).map(|entry| entry.object.clone());
        let (kind, object) = match (self.kind, &previous) {
            (Kind::Added, None) => (EventKind::Added, self.object()?),
            (Kind::Modified, Some(_)) => (EventKind::Modified, self.object()?),
            (Kind::Deleted, Some(last)) => {
                let mut last = Value::clone(last);
                set_resource_version(&mut last, self.revision).map_err(|e| e.to_string())?;
                (EventKind::Deleted, last)
            }
            (kind, _) => return Err(format!("a record of kind {kind:?} does not fit {}", self.key)),
        };
        let bytes = self.json.len();
        let event = Event { kind, key: self.key, object: Arc::new(object), previous, revision: self.revision };
        Ok(Change { event, bytes, json: Vec::new() })
    }
}

/// One frame of these records.
pub(super) fn frame(records: impl IntoIterator<Item = Record>) -> Result<Vec<u8>, String> {
    let mut out = vec![0; FRAME_HEAD];
    for record in records {
        record.encode(&mut out)?;
    }
    let payload = out.get(FRAME_HEAD..).unwrap_or_default();
    let length = u32::try_from(payload.len()).map_err(|_| "a batch of writes over 4 GiB".to_owned())?.to_le_bytes();
    let crc = crc32c(&[&length, payload]).to_le_bytes();
    let head = FRAME_MAGIC.into_iter().chain(length).chain(crc);
    out.iter_mut().zip(head).for_each(|(place, byte)| *place = byte);
    Ok(out)
}

/// The frame that `bytes` begins with.
pub(super) struct Frame<'a> {
    payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// None when there is no whole, undamaged frame at the beginning of `bytes`.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.take(FRAME_MAGIC.len()).ok()? != FRAME_MAGIC {
            return None;
        }
        let length = reader.u32().ok()?;
        let crc = reader.u32().ok()?;
        let payload = reader.take(usize::try_from(length).ok()?).ok()?;
        (crc == crc32c(&[&length.to_le_bytes(), payload])).then_some(Self { payload })
    }

    /// Bytes of the whole frame.
    pub(super) fn size(&self) -> usize {
        FRAME_HEAD.saturating_add(self.payload.len())
    }

    pub(super) fn records(&self) -> Result<Vec<Record>, String> {
        let mut reader = Reader(self.payload);
        let mut records = Vec::new();
        while !reader.0.is_empty() {
            records.push(Record::decode(&mut reader)?);
        }
        Ok(records)
    }
}

/// Is there a good frame anywhere in `bytes`?
pub(super) fn any_frame(bytes: &[u8]) -> bool {
    let candidates = bytes.iter().enumerate().filter(|&(_, &byte)| Some(&byte) == FRAME_MAGIC.first());
    candidates.into_iter().any(|(at, _)| bytes.get(at..).and_then(Frame::parse).is_some())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("a record ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| "a record ends too early".to_owned())
    }

    fn u8(&mut self) -> Result<u8, String> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, String> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.array().map(u64::from_le_bytes)
    }

    fn bytes(&mut self) -> Result<&'a [u8], String> {
        let length = self.u32()?;
        self.take(usize::try_from(length).map_err(|e| e.to_string())?)
    }

    fn text(&mut self) -> Result<&'a str, String> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "a key is not UTF-8".to_owned())
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), String> {
    let length = u32::try_from(bytes.len()).map_err(|_| "a field over 4 GiB".to_owned())?;
    out.extend(length.to_le_bytes());
    out.extend(bytes);
    Ok(())
}

/// CRC-32C (Castagnoli) over the concatenated parts.
fn crc32c(parts: &[&[u8]]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let index = usize::from(crc.to_le_bytes().first().copied().unwrap_or(0) ^ byte);
        (crc >> 8) ^ CRC_TABLE.get(index).copied().unwrap_or(0)
    };
    !parts.iter().flat_map(|part| part.iter()).fold(u32::MAX, step)
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 };
            bit += 1;
        }
        #[allow(clippy::indexing_slicing, reason = "the loop's bound is the table's length")]
        {
            table[index] = crc;
        }
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_crc32c() {
        assert_eq!(super::crc32c(&[b"1234", b"56789"]), 0xE306_9283, "the check value of the catalogue");
    }
}
