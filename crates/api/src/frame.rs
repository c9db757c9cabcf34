//! Messages of the controller as they go over the wire: encoded once, whoever they are for.

use prost::{
    Message,
    bytes::{BufMut, Bytes, BytesMut},
};

use crate::{MAX_MESSAGE_BYTES, control::v1::ControllerMessage};

/// Length of what gRPC puts before each message: a flag (not compressed), and the length.
const PREFIX: usize = 5;

/// A message is longer than a receiver takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message has {0} bytes, more than the limit of {MAX_MESSAGE_BYTES}")]
pub struct TooLong(pub usize);

/// Encodes a message with its gRPC prefix. The result is shared by those who clone it.
pub fn encode(message: &ControllerMessage) -> Result<Bytes, TooLong> {
    let length = message.encoded_len();
    let Some(prefix) = u32::try_from(length).ok().filter(|_| length <= MAX_MESSAGE_BYTES) else {
        return Err(TooLong(length));
    };
    let mut frame = BytesMut::with_capacity(PREFIX + length);
    frame.put_u8(0);
    frame.put_u32(prefix);
    message.encode_raw(&mut frame);
    Ok(frame.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::v1::{Bundle, Bundles, controller_message::Content};

    fn message(bytes: usize) -> ControllerMessage {
        let bundle = Bundle { trust_domain: "a".into(), roots: vec![vec![7; bytes].into()], sequence: 1 };
        let content = Content::Bundles(Bundles { bundles: vec![bundle] });
        ControllerMessage { key: None, version: "v".into(), content: Some(content) }
    }

    #[test]
    fn a_frame_is_a_prefix_and_the_message() {
        let message = message(300);
        let frame = encode(&message).unwrap();
        let (prefix, body) = frame.split_at(PREFIX);
        assert_eq!(prefix, [0, 0, 0, (body.len() >> 8) as u8, body.len() as u8]);
        assert_eq!(ControllerMessage::decode(body).unwrap(), message);
    }

    #[test]
    fn what_no_receiver_takes_is_not_encoded() {
        let error = encode(&message(MAX_MESSAGE_BYTES)).unwrap_err();
        assert!(error.0 > MAX_MESSAGE_BYTES && error.to_string().contains("more than the limit of 8388608"));
    }
}
