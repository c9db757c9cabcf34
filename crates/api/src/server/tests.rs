use http_body::Body as _;
use tonic::codegen::tokio_stream;

use super::*;

/// Says `frame`, then ends.
struct Says(Result<(), Code>);

impl Sessions for Says {
    fn session(&self, extensions: &http::Extensions, _: Streaming<ProxyMessage>) -> Result<Frames, Status> {
        if extensions.get::<u8>().is_none() {
            return Err(Status::unauthenticated("who are you?"));
        }
        let end = self.0.err().map(|code| Err(Status::new(code, "over")));
        Ok(Box::pin(tokio_stream::iter([Ok(Bytes::from_static(b"frame"))].into_iter().chain(end))))
    }
}

fn ask(says: Says, path: &str, known: bool) -> http::Response<Body> {
    let mut request = http::Request::post(path).body(Body::empty()).unwrap();
    if known {
        request.extensions_mut().insert(1u8);
    }
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut server = ControlServer::new(says);
    assert!(server.poll_ready(&mut cx).is_ready());
    let Poll::Ready(Ok(response)) = std::pin::pin!(server.call(request)).poll(&mut cx) else { panic!("not ready") };
    response
}

/// Data and the status in the trailers.
fn read(response: http::Response<Body>) -> (Vec<Bytes>, String) {
    let mut body = std::pin::pin!(response.into_body());
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let (mut data, mut status) = (Vec::new(), String::new());
    while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut cx) {
        match frame.unwrap().into_data() {
            Ok(bytes) => data.push(bytes),
            Err(frame) => status = frame.into_trailers().unwrap()["grpc-status"].to_str().unwrap().to_owned(),
        }
    }
    (data, status)
}

const SESSION: &str = "/isthmus.control.v1.Control/Session";

#[test]
fn frames_are_sent_as_they_are_and_the_end_is_told() {
    for (end, status) in [(Ok(()), "0"), (Err(Code::Aborted), "10")] {
        let response = ask(Says(end), SESSION, true);
        assert_eq!(response.headers()["content-type"], "application/grpc");
        assert_eq!(read(response), (vec![Bytes::from_static(b"frame")], status.to_owned()));
    }
}

#[test]
fn what_is_refused_at_once_has_its_status_in_the_head() {
    assert_eq!(ask(Says(Ok(())), SESSION, false).headers()["grpc-status"], "16");
    let unknown = ask(Says(Ok(())), "/isthmus.control.v1.Control/Other", true);
    assert_eq!(unknown.headers()["grpc-status"], "12");
}
