//! The files of a data directory: naming, locking, starting a new pair, reading a log, removing what is old.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::codec::{self, BadHeader, Frame};
use super::{Cut, snapshot};
use crate::state::State;
use crate::{Entry, Limits, StoreError};

const SNAPSHOT: &str = "snapshot-";
const LOG: &str = "log-";
const TEMPORARY: &str = ".tmp";

/// The revisions of the snapshots and logs in a directory, in order.
#[derive(Default)]
pub(super) struct Found {
    pub(super) snapshots: Vec<u64>,
    pub(super) logs: Vec<u64>,
}

pub(super) fn snapshot_path(dir: &Path, revision: u64) -> PathBuf {
    dir.join(format!("{SNAPSHOT}{revision:020}"))
}

pub(super) fn log_path(dir: &Path, revision: u64) -> PathBuf {
    dir.join(format!("{LOG}{revision:020}"))
}

/// Makes the directory if need be (for its owner only: there are Secrets in it) and takes its lock.
pub(super) fn lock(dir: &Path) -> Result<File, StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| StoreError::io(dir, e))?;
    let path = dir.join("LOCK");
    let failed = |error| StoreError::io(&path, error);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let known = file.read_to_string(&mut pid).is_ok() && !pid.trim().is_empty();
            let holder = if known { format!(" (pid {})", pid.trim()) } else { String::new() };
            return Err(StoreError::DirectoryInUse { dir: dir.to_owned(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
    Ok(file)
}

pub(super) fn scan(dir: &Path) -> Result<Found, StoreError> {
    let failed = |error| StoreError::io(dir, error);
    let mut found = Found::default();
    for file in fs::read_dir(dir).map_err(failed)? {
        let name = file.map_err(failed)?.file_name();
        let Some(name) = name.to_str() else { continue };
        let revision = |prefix: &str| name.strip_prefix(prefix).and_then(|digits| digits.parse::<u64>().ok());
        found.snapshots.extend(revision(SNAPSHOT));
        found.logs.extend(revision(LOG));
        if name.starts_with(SNAPSHOT) && name.ends_with(TEMPORARY) {
            fs::remove_file(dir.join(name)).map_err(failed)?;
        }
    }
    found.snapshots.sort_unstable();
    found.logs.sort_unstable();
    Ok(found)
}

/// A log with writes in it but no snapshot: somebody has removed a file, and an empty cluster would hide that.
pub(super) fn refuse_orphans(dir: &Path, found: &Found) -> Result<(), StoreError> {
    for &revision in &found.logs {
        let file = log_path(dir, revision);
        let bytes = fs::metadata(&file).map_err(|e| StoreError::io(&file, e))?.len();
        if bytes > codec::HEADER_BYTES || revision > 0 {
            return Err(StoreError::CorruptFile {
                file,
                offset: 0,
                reason: "the snapshot before it is missing".to_owned(),
            });
        }
    }
    Ok(())
}

/// Writes an empty log and a snapshot; the pair is in use from the moment when this returns. Gives the log, its path and
/// the snapshot's length.
pub(super) fn start_pair(dir: &Path, revision: u64, entries: &[Entry]) -> Result<(File, PathBuf, u64), StoreError> {
    let log_path = log_path(dir, revision);
    let log = start_log(&log_path, revision)?;
    let snapshot_path = snapshot_path(dir, revision);
    let temporary = snapshot_path.with_extension("tmp");
    let file = create(&temporary).map_err(|e| StoreError::io(&temporary, e))?;
    let snapshot_bytes = snapshot::write(file, &temporary, revision, entries)?;
    let sync_dir = || File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| StoreError::io(dir, e));
    sync_dir()?;
    fs::rename(&temporary, &snapshot_path).map_err(|e| StoreError::io(&snapshot_path, e))?;
    sync_dir()?;
    Ok((log, log_path, snapshot_bytes))
}

/// Takes back the snapshot of a pair that could not be started.
pub(super) fn withdraw_snapshot(dir: &Path, revision: u64) -> std::io::Result<()> {
    match fs::remove_file(snapshot_path(dir, revision)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => File::open(dir).and_then(|dir| dir.sync_all()),
    }
}

fn start_log(path: &Path, revision: u64) -> Result<File, StoreError> {
    let failed = |error| StoreError::io(path, error);
    let mut log = create(path).map_err(failed)?;
    log.write_all(&codec::header(codec::LOG_MAGIC, revision)).and_then(|()| log.sync_all()).map_err(failed)?;
    Ok(log)
}

fn create(path: &Path) -> std::io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
}

/// Replays a log into `state` and opens it for more; says what had to be cut from its end.
pub(super) fn open_log(
    path: &Path,
    revision: u64,
    state: &mut State,
    limits: &Limits,
) -> Result<(File, u64, Option<Cut>), StoreError> {
    let failed = |error| StoreError::io(path, error);
    let bytes = fs::read(path).map_err(failed)?;
    let corrupt =
        |at: usize, reason: String| StoreError::CorruptFile { file: path.to_owned(), offset: at as u64, reason };
    match codec::read_header(&bytes, codec::LOG_MAGIC) {
        Ok(found) if found == revision => {}
        Ok(found) => return Err(corrupt(0, format!("revision {found} in the header, {revision} in the name"))),
        Err(BadHeader::Short) => {
            let cut = Cut { file: path.to_owned(), offset: 0, bytes: bytes.len() as u64 };
            return Ok((start_log(path, revision)?, codec::HEADER_BYTES, Some(cut)));
        }
        Err(BadHeader::Damaged(reason)) => return Err(corrupt(0, reason.to_owned())),
        Err(BadHeader::Version(found)) => {
            let (file, supported) = (path.to_owned(), codec::FORMAT_VERSION);
            return Err(StoreError::UnsupportedFormat { file, found, supported });
        }
    }
    let mut at = codec::HEADER_BYTES as usize;
    while let Some(frame) = bytes.get(at..).and_then(Frame::parse) {
        for record in frame.records().map_err(|reason| corrupt(at, reason))? {
            let change = record.change(state).map_err(|reason| corrupt(at, reason))?;
            state.apply(vec![change], limits).finish();
        }
        at = at.saturating_add(frame.size());
    }
    let rest = bytes.get(at..).unwrap_or_default();
    if codec::any_frame(rest) {
        return Err(corrupt(at, "a frame's checksum is wrong and good frames follow it".to_owned()));
    }
    let log = OpenOptions::new().append(true).open(path).map_err(failed)?;
    if rest.is_empty() {
        return Ok((log, at as u64, None));
    }
    log.set_len(at as u64).and_then(|()| log.sync_all()).map_err(failed)?;
    let cut = Cut { file: path.to_owned(), offset: at as u64, bytes: rest.len() as u64 };
    Ok((log, at as u64, Some(cut)))
}

/// Removes the pairs before `revision`, and logs of rotations that were not finished.
pub(super) fn remove_older(dir: &Path, found: &Found, revision: u64) {
    let snapshots = found.snapshots.iter().filter(|&&r| r != revision).map(|&r| snapshot_path(dir, r));
    let logs = found.logs.iter().filter(|&&r| r != revision).map(|&r| log_path(dir, r));
    for path in snapshots.chain(logs) {
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(file = %path.display(), %error, "left an old file behind");
        }
    }
}
