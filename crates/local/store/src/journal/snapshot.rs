//! A snapshot: every object at one revision. It is renamed into place only when whole, so any flaw in it is damage.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use super::codec::{self, BadHeader, Frame, Kind, Record};
use crate::state::State;
use crate::{Entry, StoreError};

/// Bytes of objects after which a new frame is begun.
const FRAME_BYTES: usize = 256 * 1024;

/// Writes and syncs a snapshot; returns its length.
pub(super) fn write(file: File, path: &Path, revision: u64, entries: &[Entry]) -> Result<u64, StoreError> {
    let failed = |error| StoreError::io(path, error);
    let invalid = |reason: String| failed(std::io::Error::other(reason));
    let mut out = BufWriter::new(file);
    out.write_all(&codec::header(codec::SNAPSHOT_MAGIC, revision)).map_err(failed)?;
    let mut waiting: Vec<Record> = Vec::new();
    let mut bytes = 0_usize;
    for entry in entries {
        let json = serde_json::to_vec(&*entry.object).map_err(|e| invalid(e.to_string()))?;
        bytes = bytes.saturating_add(json.len());
        waiting.push(Record { kind: Kind::Present, revision: entry.revision, key: entry.key.clone(), json });
        if bytes >= FRAME_BYTES {
            out.write_all(&codec::frame(waiting.drain(..)).map_err(invalid)?).map_err(failed)?;
            bytes = 0;
        }
    }
    waiting.push(Record::end(entries.len() as u64));
    out.write_all(&codec::frame(waiting).map_err(invalid)?).map_err(failed)?;
    let file = out.into_inner().map_err(|e| failed(e.into_error()))?;
    file.sync_all().map_err(failed)?;
    Ok(file.metadata().map_err(failed)?.len())
}

/// Reads a snapshot; returns the state and the file's length.
pub(super) fn read(path: &Path, revision: u64) -> Result<(State, u64), StoreError> {
    let bytes = std::fs::read(path).map_err(|e| StoreError::io(path, e))?;
    let mut at = codec::HEADER_BYTES as usize;
    let corrupt =
        |at: usize, reason: String| StoreError::CorruptFile { file: path.to_owned(), offset: at as u64, reason };
    match codec::read_header(&bytes, codec::SNAPSHOT_MAGIC) {
        Ok(found) if found == revision => {}
        Ok(found) => return Err(corrupt(0, format!("revision {found} in the header, {revision} in the name"))),
        Err(BadHeader::Short) => return Err(corrupt(0, "the header is cut short".to_owned())),
        Err(BadHeader::Damaged(reason)) => return Err(corrupt(0, reason.to_owned())),
        Err(BadHeader::Version(found)) => {
            let (file, supported) = (path.to_owned(), codec::FORMAT_VERSION);
            return Err(StoreError::UnsupportedFormat { file, found, supported });
        }
    }
    let mut state = State::new(revision);
    loop {
        let frame = bytes.get(at..).and_then(Frame::parse);
        let frame = frame.ok_or_else(|| corrupt(at, "a frame is cut short or its checksum is wrong".to_owned()))?;
        for record in frame.records().map_err(|reason| corrupt(at, reason))? {
            match record.kind {
                Kind::Present => state.restore(record.entry().map_err(|reason| corrupt(at, reason))?),
                Kind::End if record.revision == state.objects() as u64 => return Ok((state, bytes.len() as u64)),
                Kind::End => {
                    let reason = format!("{} objects where {} are due", state.objects(), record.revision);
                    return Err(corrupt(at, reason));
                }
                kind => return Err(corrupt(at, format!("a record of kind {kind:?} in a snapshot"))),
            }
        }
        at = at.saturating_add(frame.size());
    }
}
