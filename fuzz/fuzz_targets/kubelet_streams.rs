//! What clients of the kubelet API send: SPDY frames, WebSocket channels, queries.
#![no_main]

use isthmus_local_kubelet::fuzzing;
use libfuzzer_sys::{arbitrary, fuzz_target};

#[derive(Debug, arbitrary::Arbitrary)]
enum Input<'a> {
    Spdy(&'a [u8]),
    WebSocket(&'a [u8]),
    /// First byte (flags and opcode) and payload of each frame.
    Frames(Vec<(u8, &'a [u8])>),
    Query(&'a str),
}

fuzz_target!(|input: Input| match input {
    Input::Spdy(bytes) => fuzzing::spdy(bytes),
    Input::WebSocket(bytes) => fuzzing::web_socket(bytes),
    Input::Frames(frames) => fuzzing::web_socket(&frames.into_iter().flat_map(masked).collect::<Vec<_>>()),
    Input::Query(text) => fuzzing::query(text),
});

/// A client's frame, masked with zeros.
fn masked((first, payload): (u8, &[u8])) -> Vec<u8> {
    let payload = &payload[..payload.len().min(125)];
    let mut frame = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend(payload);
    frame
}
