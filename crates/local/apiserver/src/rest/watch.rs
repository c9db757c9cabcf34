//! Watches: lines of JSON, one for each event.

mod events;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use isthmus_local_machinery::status::ApiError;
use isthmus_local_store::{StoreError, Watch};
use tokio::time::Instant;

use super::options::{Selection, resource_version, version_match};
use crate::call::Call;
use crate::convert;
use crate::core::{Core, store_error};
use crate::dispatch::Visit;
use crate::http::reply::Reply;
use crate::present;
use events::Writer;

pub(super) async fn watch(visit: Visit, call: &Call) -> Result<Reply, ApiError> {
    let Visit { core, shutdown, .. } = visit;
    let selection = Selection::of(call)?;
    let version = resource_version(call)?;
    version_match(call, version)?;
    let bookmarks = call.query.flag("allowWatchBookmarks");
    let initial = call.query.get("sendInitialEvents").map(|_| call.query.flag("sendInitialEvents"));
    let mut writer = Writer::new(call.kind.clone(), call.form()?, present::include(call)?);
    let from_now = matches!(version, None | Some(0));
    let (mut lines, mut from) = (VecDeque::new(), version.unwrap_or(0));
    if initial == Some(true) || (from_now && initial.is_none()) {
        let listing = core.store.list(&call.kind.storage, call.namespace.as_deref());
        from = listing.revision;
        let objects = listing.entries.into_iter().map(|entry| entry.object).collect();
        let objects = convert::from_storage(&core, &call.kind, objects).await?;
        lines.extend(objects.iter().filter(|o| selection.matches(o)).map(|object| writer.event("ADDED", object)));
        if initial == Some(true) && bookmarks {
            lines.push_back(writer.bookmark(from, true));
        }
    } else if from_now {
        from = core.store.revision();
    }
    let seconds = call.query.number("timeoutSeconds")?.map(Duration::from_secs);
    let time =
        seconds.filter(|time| !time.is_zero()).unwrap_or(core.limits.watch_time).min(core.limits.watch_time * 24);
    let events = match core.store.watch(&call.kind.storage, call.namespace.as_deref(), from) {
        Ok(events) => Some(events),
        // Also a watch that is too old is answered with 200; its one event says so.
        Err(StoreError::Compacted { oldest }) => {
            lines.push_back(events::error(&ApiError::too_old(from, oldest)));
            None
        }
        Err(error) => return Err(store_error(&call.kind, "", error)),
    };
    let now = Instant::now();
    let stream = Stream {
        lines,
        events,
        writer,
        selection,
        bookmark_at: bookmarks.then(|| now + core.limits.bookmark_interval),
        ends_at: now + time,
        gone: Box::pin(core.registry.gone(&call.kind)),
        core: core.clone(),
    };
    let lines = futures::stream::unfold(stream, |mut stream| async move { Some((stream.next().await?, stream)) });
    let lines = lines.take_until(shutdown.cancelled_owned()).map(|line| Ok(Frame::data(line)));
    let mut reply = Reply::new(StreamBody::new(lines).boxed_unsync());
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(reply)
}

struct Stream {
    /// Written and waiting to be sent.
    lines: VecDeque<Bytes>,
    /// None when there is nothing more to come.
    events: Option<Watch>,
    writer: Writer,
    selection: Selection,
    bookmark_at: Option<Instant>,
    ends_at: Instant,
    /// Ready when the kind is no longer served.
    gone: BoxFuture<'static, ()>,
    core: Arc<Core>,
}

impl Stream {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            let events = self.events.as_mut()?;
            let bookmark_at = self.bookmark_at.unwrap_or(self.ends_at);
            let event = tokio::select! {
                biased;
                () = tokio::time::sleep_until(self.ends_at) => {
                    // The last word: the client goes on from here.
                    let seen = events.seen();
                    self.events = None;
                    return self.bookmark_at.map(|_| self.writer.bookmark(seen, false));
                }
                event = events.next() => event,
                // Asked after the events, so that the last deletions are told first.
                () = &mut self.gone => {
                    self.events = None;
                    return None;
                }
                () = tokio::time::sleep_until(bookmark_at), if self.bookmark_at.is_some() => {
                    self.bookmark_at = Some(Instant::now() + self.core.limits.bookmark_interval);
                    let seen = events.seen();
                    return Some(self.writer.bookmark(seen, false));
                }
            };
            let line = match event? {
                Ok(event) => self.writer.change(&self.core, &self.selection, event).await,
                Err(StoreError::Compacted { oldest }) => {
                    let seen = events.seen();
                    Err(ApiError::too_old(seen, oldest))
                }
                Err(error) => Err(store_error(&self.writer.kind, "", error)),
            };
            match line {
                Ok(Some(line)) => return Some(line),
                Ok(None) => {}
                Err(error) => {
                    self.events = None;
                    return Some(events::error(&error));
                }
            }
        }
    }
}
