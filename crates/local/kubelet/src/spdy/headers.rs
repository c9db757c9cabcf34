//! Header blocks: names and values, compressed by one zlib stream per direction and connection.

use std::collections::BTreeMap;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::dictionary::{CHECKSUM, dictionary};

/// A header block may hold this many bytes once it is decompressed.
const MAX_BLOCK: usize = 64 * 1024;
/// And this many headers.
const MAX_HEADERS: u32 = 100;

/// Headers by lower-case name.
pub(crate) type Headers = BTreeMap<String, String>;

/// What is wrong with a header block.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum HeaderError {
    #[error("header block: not compressed as SPDY/3 asks")]
    MalformedCompression,
    #[error("header block: more than {MAX_BLOCK} bytes or {MAX_HEADERS} headers")]
    TooLarge,
    #[error("header block: a length points past its end, or a text is not UTF-8")]
    MalformedPairs,
}

/// Decompresses the header blocks of one direction, in order.
#[derive(Debug)]
pub(super) struct HeaderDecoder(Decompress);

impl HeaderDecoder {
    pub(super) fn new() -> Self {
        HeaderDecoder(Decompress::new(true))
    }

    pub(super) fn decode(&mut self, block: &[u8]) -> Result<Headers, HeaderError> {
        pairs(&self.decompress(block)?)
    }

    fn decompress(&mut self, mut input: &[u8]) -> Result<Vec<u8>, HeaderError> {
        let mut out = Vec::new();
        loop {
            out.reserve(4096);
            let (read, written) = (self.0.total_in(), out.len());
            let result = self.0.decompress_vec(input, &mut out, FlushDecompress::Sync);
            let read = usize::try_from(self.0.total_in().saturating_sub(read)).unwrap_or(usize::MAX);
            input = input.get(read..).ok_or(HeaderError::MalformedCompression)?;
            match result {
                Ok(Status::Ok | Status::BufError) => {}
                Ok(Status::StreamEnd) => return Err(HeaderError::MalformedCompression),
                Err(error) if error.needs_dictionary() == Some(CHECKSUM) => {
                    self.0.set_dictionary(&dictionary()).map_err(|_| HeaderError::MalformedCompression)?;
                    continue;
                }
                Err(_) => return Err(HeaderError::MalformedCompression),
            }
            if out.len() > MAX_BLOCK {
                return Err(HeaderError::TooLarge);
            }
            if input.is_empty() && out.len() < out.capacity() {
                return Ok(out);
            }
            if read == 0 && out.len() == written {
                return Err(HeaderError::MalformedCompression);
            }
        }
    }
}

/// Compresses the header blocks of one direction, in order.
#[derive(Debug)]
pub(super) struct HeaderEncoder(Compress);

impl HeaderEncoder {
    pub(super) fn new() -> Result<Self, HeaderError> {
        let mut compress = Compress::new(Compression::best(), true);
        compress.set_dictionary(&dictionary()).map_err(|_| HeaderError::MalformedCompression)?;
        Ok(HeaderEncoder(compress))
    }

    pub(super) fn encode(&mut self, headers: &Headers) -> Result<Vec<u8>, HeaderError> {
        let plain = block(headers)?;
        let mut input = plain.as_slice();
        let mut out = Vec::new();
        loop {
            out.reserve(1024);
            let before = self.0.total_in();
            self.0.compress_vec(input, &mut out, FlushCompress::Sync).map_err(|_| HeaderError::MalformedCompression)?;
            let read = usize::try_from(self.0.total_in().saturating_sub(before)).unwrap_or(usize::MAX);
            input = input.get(read..).ok_or(HeaderError::MalformedCompression)?;
            if input.is_empty() && out.len() < out.capacity() {
                return Ok(out);
            }
        }
    }
}

fn block(headers: &Headers) -> Result<Vec<u8>, HeaderError> {
    let number = |n: usize| u32::try_from(n).map(u32::to_be_bytes).map_err(|_| HeaderError::TooLarge);
    let mut bytes = number(headers.len())?.to_vec();
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend(number(text.len())?);
        bytes.extend(text.as_bytes());
    }
    Ok(bytes)
}

fn pairs(mut block: &[u8]) -> Result<Headers, HeaderError> {
    let count = number(&mut block)?;
    if count > MAX_HEADERS {
        return Err(HeaderError::TooLarge);
    }
    (0..count).map(|_| Ok((text(&mut block)?.to_ascii_lowercase(), text(&mut block)?))).collect()
}

fn number(block: &mut &[u8]) -> Result<u32, HeaderError> {
    let (head, rest) = block.split_first_chunk().ok_or(HeaderError::MalformedPairs)?;
    *block = rest;
    Ok(u32::from_be_bytes(*head))
}

fn text(block: &mut &[u8]) -> Result<String, HeaderError> {
    let length = usize::try_from(number(block)?).map_err(|_| HeaderError::MalformedPairs)?;
    let (head, rest) = block.split_at_checked(length).ok_or(HeaderError::MalformedPairs)?;
    *block = rest;
    String::from_utf8(head.to_vec()).map_err(|_| HeaderError::MalformedPairs)
}

#[cfg(test)]
mod tests;
