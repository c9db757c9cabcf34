//! The control service for answers that are encoded already: equal messages to many proxies share their bytes down to
//! the connection. (The generated server would encode each message anew for each stream, into a buffer of its own.)

use std::{
    convert::Infallible,
    fmt::Debug,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http_body::Frame;
use prost::bytes::Bytes;
use tonic::{
    Code, Status, Streaming,
    body::Body,
    codegen::{Service, http, tokio_stream::Stream},
    metadata::GRPC_CONTENT_TYPE,
    server::NamedService,
};
use tonic_prost::ProstDecoder;

use crate::{
    MAX_PROXY_MESSAGE_BYTES,
    control::v1::{ProxyMessage, control_server},
};

/// What a session sends: frames of [`crate::frame`], and how it ended. It is asked for the next one only when the
/// connection can take it.
pub type Frames = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

/// Whoever serves sessions.
pub trait Sessions: Send + Sync + 'static {
    /// A proxy begins a session; `extensions` are its request's.
    fn session(&self, extensions: &http::Extensions, messages: Streaming<ProxyMessage>) -> Result<Frames, Status>;
}

/// The service, to be added to a server.
#[derive(Debug)]
pub struct ControlServer<T>(Arc<T>);

impl<T> ControlServer<T> {
    /// Serves these sessions.
    pub fn new(sessions: T) -> Self {
        Self(Arc::new(sessions))
    }
}

impl<T> Clone for ControlServer<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> NamedService for ControlServer<T> {
    const NAME: &'static str = control_server::SERVICE_NAME;
}

impl<T: Sessions> Service<http::Request<Body>> for ControlServer<T> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        std::future::ready(Ok(self.answer(request).unwrap_or_else(Status::into_http)))
    }
}

impl<T: Sessions> ControlServer<T> {
    fn answer(&self, request: http::Request<Body>) -> Result<http::Response<Body>, Status> {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default();
        if method != "Session" {
            return Err(Status::new(Code::Unimplemented, format!("there is no method {method:?}")));
        }
        let (parts, body) = request.into_parts();
        let decoder = ProstDecoder::<ProxyMessage>::default();
        let messages = Streaming::new_request(decoder, body, None, Some(MAX_PROXY_MESSAGE_BYTES));
        let frames = self.0.session(&parts.extensions, messages)?;
        let mut response = http::Response::new(Body::new(Answer { frames, over: false }));
        response.headers_mut().insert(http::header::CONTENT_TYPE, GRPC_CONTENT_TYPE);
        Ok(response)
    }
}

/// Frames as a body: data, then the status as trailers.
struct Answer {
    frames: Frames,
    over: bool,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let status = match ready!(self.frames.as_mut().poll_next(cx)) {
            Some(Ok(frame)) => return Poll::Ready(Some(Ok(Frame::data(frame)))),
            Some(Err(status)) => status,
            None => Status::ok(""),
        };
        self.over = true;
        let mut trailers = http::HeaderMap::new();
        Poll::Ready(Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
    }
}

#[cfg(test)]
mod tests;
