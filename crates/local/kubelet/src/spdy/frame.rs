//! Frames on the wire.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::headers::{HeaderDecoder, HeaderEncoder, HeaderError, Headers};

/// A data frame may carry this much; peers write at most 64 KiB at a time.
const MAX_DATA: usize = 1024 * 1024;
/// A control frame may be this long; the largest hold a compressed header block.
const MAX_CONTROL: usize = 64 * 1024;
const HEAD: usize = 8;
const VERSION: u16 = 3;
const FLAG_FIN: u8 = 1;
const CONTROL_BIT: u32 = 0x8000_0000;

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GO_AWAY: u16 = 7;
const HEADERS: u16 = 8;

/// A frame, as far as it means something here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// The peer opens a stream; `fin` when it will not write to it.
    SynStream { id: u32, headers: Headers, fin: bool },
    /// A stream is accepted.
    SynReply { id: u32, headers: Headers, fin: bool },
    /// Bytes of a stream; `fin` after the last.
    Data { id: u32, data: Bytes, fin: bool },
    /// A stream is over at once, in both directions.
    RstStream { id: u32, status: u32 },
    /// To be sent back by whoever did not choose its number.
    Ping { id: u32 },
    /// No new streams, please.
    GoAway { last: u32, status: u32 },
    /// SETTINGS, HEADERS, WINDOW_UPDATE and what the future brings: read and not acted on.
    Other { kind: u16 },
}

/// Why a connection can't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("SPDY version {0} instead of {VERSION}")]
    UnknownVersion(u16),
    #[error("a frame of {0} bytes is too long")]
    TooLong(usize),
    #[error("a frame of type {0} is too short")]
    TooShort(u16),
    #[error(transparent)]
    Headers(#[from] HeaderError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Reads the frames of one direction, and writes those of the other.
#[derive(Debug)]
pub(crate) struct Codec {
    decoder: HeaderDecoder,
    encoder: HeaderEncoder,
}

impl Codec {
    pub(crate) fn new() -> Result<Self, FrameError> {
        Ok(Codec { decoder: HeaderDecoder::new(), encoder: HeaderEncoder::new()? })
    }

    fn control(&mut self, kind: u16, flags: u8, mut body: Bytes) -> Result<Frame, FrameError> {
        let fin = flags & FLAG_FIN != 0;
        let mut number = || body.try_get_u32().map_err(|_| FrameError::TooShort(kind));
        Ok(match kind {
            SYN_STREAM => {
                let id = number()? & !CONTROL_BIT;
                // The stream that it belongs to, its priority and its credential slot play no part here.
                number()?;
                body.try_get_u16().map_err(|_| FrameError::TooShort(kind))?;
                Frame::SynStream { id, headers: self.decoder.decode(&body)?, fin }
            }
            SYN_REPLY => {
                let id = number()? & !CONTROL_BIT;
                Frame::SynReply { id, headers: self.decoder.decode(&body)?, fin }
            }
            RST_STREAM => Frame::RstStream { id: number()? & !CONTROL_BIT, status: number()? },
            PING => Frame::Ping { id: number()? },
            GO_AWAY => Frame::GoAway { last: number()? & !CONTROL_BIT, status: number()? },
            HEADERS => {
                number()?;
                // It has to be decompressed all the same, or the blocks after it can't be.
                self.decoder.decode(&body)?;
                Frame::Other { kind }
            }
            kind => Frame::Other { kind },
        })
    }
}

impl Decoder for Codec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(mut head) = input.get(..HEAD) else { return Ok(None) };
        let (first, second) = (head.get_u32(), head.get_u32());
        let [flags, length @ ..] = second.to_be_bytes();
        let [high, middle, low] = length;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let control = first & CONTROL_BIT != 0;
        if length > if control { MAX_CONTROL } else { MAX_DATA } {
            return Err(FrameError::TooLong(length));
        }
        let whole = HEAD.saturating_add(length);
        if input.len() < whole {
            input.reserve(whole.saturating_sub(input.len()));
            return Ok(None);
        }
        let body = input.split_to(whole).freeze().slice(HEAD..);
        if !control {
            return Ok(Some(Frame::Data { id: first, data: body, fin: flags & FLAG_FIN != 0 }));
        }
        let [high, low, kind @ ..] = first.to_be_bytes();
        let version = u16::from_be_bytes([high & 0x7f, low]);
        if version != VERSION {
            return Err(FrameError::UnknownVersion(version));
        }
        self.control(u16::from_be_bytes(kind), flags, body).map(Some)
    }
}

impl Encoder<Frame> for Codec {
    type Error = FrameError;

    fn encode(&mut self, frame: Frame, output: &mut BytesMut) -> Result<(), FrameError> {
        match frame {
            Frame::Data { id, data, fin } => {
                if data.len() > MAX_DATA {
                    return Err(FrameError::TooLong(data.len()));
                }
                output.put_u32(id & !CONTROL_BIT);
                put_length(output, fin, data.len());
                output.put(data);
            }
            Frame::SynStream { id, headers, fin } => {
                let block = self.encoder.encode(&headers)?;
                put_control(output, SYN_STREAM, fin, block.len().saturating_add(10));
                output.put_u32(id);
                output.put_u32(0);
                output.put_u16(0);
                output.put_slice(&block);
            }
            Frame::SynReply { id, headers, fin } => {
                let block = self.encoder.encode(&headers)?;
                put_control(output, SYN_REPLY, fin, block.len().saturating_add(4));
                output.put_u32(id);
                output.put_slice(&block);
            }
            Frame::RstStream { id, status } => put_numbers(output, RST_STREAM, &[id, status]),
            Frame::Ping { id } => put_numbers(output, PING, &[id]),
            Frame::GoAway { last, status } => put_numbers(output, GO_AWAY, &[last, status]),
            Frame::Other { kind } => put_numbers(output, kind, &[]),
        }
        Ok(())
    }
}

fn put_control(output: &mut BytesMut, kind: u16, fin: bool, length: usize) {
    output.put_u16(VERSION | 0x8000);
    output.put_u16(kind);
    put_length(output, fin, length);
}

fn put_length(output: &mut BytesMut, fin: bool, length: usize) {
    let flags = if fin { u32::from(FLAG_FIN) << 24 } else { 0 };
    // Lengths were checked, or are those of header blocks that this side made.
    output.put_u32(flags | u32::try_from(length).unwrap_or(0) & 0x00ff_ffff);
}

fn put_numbers(output: &mut BytesMut, kind: u16, numbers: &[u32]) {
    put_control(output, kind, false, numbers.len().saturating_mul(4));
    numbers.iter().for_each(|number| output.put_u32(*number));
}

#[cfg(test)]
mod tests;
