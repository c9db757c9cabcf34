//! The frames in a stream of bytes (RFC 9113 §4.1), by their headers alone.

/// Bytes of a frame's header.
const HEADER: usize = 9;
/// Bytes of the client's preface.
const PREFACE: u32 = 24;
const END_STREAM: u8 = 1;

/// What a frame is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Carries data, or ends a stream in order.
    Data,
    /// A request's or an answer's head, or trailers.
    Headers,
    /// Breaks a stream off.
    Reset,
    /// All else, and data that is none.
    Control,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) length: u32,
}

/// Follows the frames of one direction.
#[derive(Debug, Default)]
pub(super) struct Frames {
    header: [u8; HEADER],
    have: usize,
    /// Bytes to pass over before the next header.
    skip: u32,
}

impl Frames {
    pub(super) fn after_preface() -> Self {
        Self { skip: PREFACE, ..Self::default() }
    }

    /// Tells of each frame whose header ends within these bytes, and stops at the first that isn't wanted.
    pub(super) fn pass<E>(&mut self, mut bytes: &[u8], mut tell: impl FnMut(Frame) -> Result<(), E>) -> Result<(), E> {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = bytes.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
                bytes = bytes.get(skipped..).unwrap_or_default();
                self.skip = self.skip.saturating_sub(u32::try_from(skipped).unwrap_or(u32::MAX));
                continue;
            }
            let wanted = bytes.len().min(HEADER - self.have);
            let (part, rest) = bytes.split_at(wanted);
            if let Some(place) = self.header.get_mut(self.have..self.have + wanted) {
                place.copy_from_slice(part);
            }
            bytes = rest;
            self.have += wanted;
            if self.have == HEADER {
                self.have = 0;
                let frame = read(&self.header);
                self.skip = frame.length;
                tell(frame)?;
            }
        }
        Ok(())
    }

    /// The same, where every frame is wanted.
    pub(super) fn sent(&mut self, bytes: &[u8], mut tell: impl FnMut(Frame)) {
        let Ok(()) = self.pass(bytes, |frame| {
            tell(frame);
            Ok::<_, std::convert::Infallible>(())
        });
    }
}

fn read(header: &[u8; HEADER]) -> Frame {
    let [a, b, c, kind, flags, ..] = *header;
    let length = u32::from_be_bytes([0, a, b, c]);
    let kind = match kind {
        0 if length > 0 || flags & END_STREAM != 0 => Kind::Data,
        1 => Kind::Headers,
        3 => Kind::Reset,
        _ => Kind::Control,
    };
    Frame { kind, length }
}
