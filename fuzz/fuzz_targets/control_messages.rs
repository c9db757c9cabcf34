//! Messages of the control protocol, as a proxy takes them from a controller.
#![no_main]

use isthmus_api::{control::v1 as proto, decode};
use libfuzzer_sys::fuzz_target;
use prost::Message;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = proto::ControllerMessage::decode(bytes) else { return };
    match message.content {
        Some(proto::controller_message::Content::Inbound(policy)) => drop(decode::inbound(policy)),
        Some(proto::controller_message::Content::Destination(destination)) => drop(decode::destination(destination)),
        _ => {}
    }
});
