//! Taps as an aggregated API: who may `watch` the `tap` of something in `tap.isthmus.mesh` sees its requests as they end, one JSON
//! object a line. The API server has authorized them; the stream goes on until they go, or the time is over.

mod request;

use std::{convert::Infallible, time::Duration};

use futures::stream;
use http::{Method, Response, Uri};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame};
use serde_json::{Value, json};
use tokio::time::Instant;

pub(crate) use self::request::{GROUP, VERSION};
use self::request::{PLURALS, Request};
use super::status::Failure;
use crate::{
    replicas::{Everywhere, TappingAll},
    serve::Sight,
};

/// How often an empty line is sent, so that it shows when nobody reads any more.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Is it about this API?
pub(super) fn is_for(uri: &Uri) -> bool {
    uri.path().strip_prefix("/apis/").is_some_and(|rest| rest.split('/').next() == Some(GROUP))
}

/// Answers at once what can be: what there is. Else the stream.
pub(super) fn answer(taps: &Everywhere, method: &Method, uri: &Uri) -> Result<Answer, Failure> {
    Ok(match request::read(method, uri)? {
        Request::Group => Answer::Document(group()),
        Request::Resources => Answer::Document(resources()),
        Request::Tap(at) => {
            let lasts = at.tap.lasts;
            tracing::info!(namespace = &*at.namespace, target = ?at.target, ?lasts, "somebody taps");
            let tapping = taps.tap(*at).map_err(|error| Failure::too_many(error.to_string()))?;
            let warnings = tapping.warnings.clone();
            Answer::Stream(stream_of(tapping, lasts), warnings)
        }
    })
}

pub(super) enum Answer {
    Document(Value),
    /// And what it lacks.
    Stream(Response<Body>, Vec<String>),
}

fn stream_of(tapping: TappingAll, lasts: Duration) -> Response<Body> {
    let end = Instant::now() + lasts;
    let lines = stream::unfold(tapping, move |mut tapping| async move {
        let line = tokio::select! {
            sight = tapping.next() => line_of(sight?),
            () = tokio::time::sleep(SIGN_OF_LIFE) => "\n".into(),
            () = tokio::time::sleep_until(end) => return None,
        };
        Some((Ok(Frame::data(Bytes::from(line))), tapping))
    });
    let mut response = Response::new(StreamBody::new(lines).boxed_unsync());
    let kind = http::HeaderValue::from_static("application/json;stream=watch");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}

/// The record, with the pod that it is of.
fn line_of(sight: Sight) -> String {
    let mut line = sight.record;
    line.insert("pod".into(), sight.pod.to_string().into());
    if sight.missed > 0 {
        line.insert("missed".into(), sight.missed.into());
    }
    format!("{}\n", Value::Object(line))
}

fn group() -> Value {
    let version = json!({ "groupVersion": format!("{GROUP}/{VERSION}"), "version": VERSION });
    json!({ "kind": "APIGroup", "apiVersion": "v1", "name": GROUP, "versions": [version], "preferredVersion": version })
}

fn resources() -> Value {
    let one = |plural: &&str| json!({ "name": format!("{plural}/tap"), "singularName": "", "namespaced": true, "kind": "Tap", "verbs": ["watch"] });
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("{GROUP}/{VERSION}"),
        "resources": PLURALS.iter().map(|(plural, _)| plural).map(one).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
