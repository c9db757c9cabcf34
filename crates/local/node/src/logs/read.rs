//! Reading logs back, as `kubectl logs` asks.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::Path;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::sync::watch;

use super::line::{Line, decode};
use super::rotated;

/// Which lines, and how.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogOptions {
    /// Go on with what is written from now on.
    pub(crate) follow: bool,
    /// Only so many lines from the end.
    pub(crate) tail_lines: Option<usize>,
    /// Only so many bytes.
    pub(crate) limit_bytes: Option<u64>,
    /// Only lines written at this time or later.
    pub(crate) since: Option<Timestamp>,
    /// Put the time before each line.
    pub(crate) timestamps: bool,
}

/// Reads a log into the channel; with `follow`, until the container's output ends or nobody reads any more.
pub(crate) async fn read(
    path: &Path,
    options: &LogOptions,
    growth: Option<watch::Receiver<u64>>,
    out: mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    let mut follow = growth.filter(|_| options.follow);
    let mut seen = follow.as_mut().map_or(0, |growth| *growth.borrow_and_update());
    let mut left = options.limit_bytes.unwrap_or(u64::MAX);
    let mut content = match fs::read(rotated(path)) {
        Ok(old) => old,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    content.extend(fs::read(path)?);
    // What was written between the two looks is read now; the position follows the file, not the notice.
    let mut position = content.len() as u64;
    let text = select(&content, options);
    if !send(&out, text, &mut left).await {
        return Ok(());
    }
    let later = LogOptions { tail_lines: None, ..options.clone() };
    while let Some(growth) = follow.as_mut() {
        let ended = growth.changed().await.is_err();
        let total = *growth.borrow_and_update();
        if total != seen || ended {
            seen = total;
            let mut content = fs::read(rotated(path)).unwrap_or_default();
            content.extend(fs::read(path)?);
            // After a rotation the beginning is gone; go on with the last of what is there.
            let from = usize::try_from(position).ok().filter(|from| *from <= content.len()).unwrap_or(0);
            position = content.len() as u64;
            let text = select(content.get(from..).unwrap_or_default(), &later);
            if !send(&out, text, &mut left).await {
                return Ok(());
            }
        }
        if ended {
            return Ok(());
        }
    }
    Ok(())
}

/// False when there is nothing more to send.
async fn send(out: &mpsc::Sender<io::Result<Bytes>>, mut text: Vec<u8>, left: &mut u64) -> bool {
    text.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
    *left = left.saturating_sub(text.len() as u64);
    let sent = text.is_empty() || out.send(Ok(text.into())).await.is_ok();
    sent && *left > 0
}

/// The lines that the options ask for, as text.
pub(super) fn select(content: &[u8], options: &LogOptions) -> Vec<u8> {
    let lines = content.split_inclusive(|byte| *byte == b'\n').filter_map(decode);
    let lines = lines
        .filter(|line| options.since.is_none_or(|since| line.time.parse().is_ok_and(|time: Timestamp| time >= since)));
    let mut kept: VecDeque<Line<'_>> = VecDeque::new();
    let mut count = 0usize;
    for line in lines {
        count += usize::from(line.whole);
        kept.push_back(line);
        while options.tail_lines.is_some_and(|most| count > most) {
            count -= usize::from(kept.pop_front().is_some_and(|first| first.whole));
        }
    }
    if options.tail_lines == Some(0) {
        return Vec::new();
    }
    let mut text = Vec::new();
    let mut fresh = true;
    for line in kept {
        if options.timestamps && fresh {
            text.extend_from_slice(line.time.as_bytes());
            text.push(b' ');
        }
        text.extend_from_slice(line.text);
        if line.whole {
            text.push(b'\n');
        }
        fresh = line.whole;
    }
    text
}
