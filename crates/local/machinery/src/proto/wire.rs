//! The protobuf wire format: fields as number and scalar. Never panics; lengths are checked before they are used.

/// The bytes aren't protobuf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// One field's value as it is on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scalar<'b> {
    Varint(u64),
    Fixed64(u64),
    /// No field of the table is one: it is only skipped.
    Fixed32,
    Bytes(&'b [u8]),
}

impl<'b> Scalar<'b> {
    pub(super) fn bytes(self) -> Result<&'b [u8], Malformed> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(Malformed) }
    }

    pub(super) fn text(self) -> Result<String, Malformed> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Malformed)
    }

    /// A varint as the two's complement that protobuf's `int32` and `int64` are.
    pub(super) fn integer(self) -> Result<i64, Malformed> {
        if let Self::Varint(value) = self { Ok(value.cast_signed()) } else { Err(Malformed) }
    }
}

/// Reads the fields of one message.
#[derive(Debug)]
pub(super) struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    /// The next field, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Scalar<'b>)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| Malformed)?;
        let scalar = match tag & 7 {
            0 => Scalar::Varint(self.varint()?),
            1 => Scalar::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().map_err(|_| Malformed)?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                Scalar::Bytes(self.take(length)?)
            }
            5 => {
                self.take(4)?;
                Scalar::Fixed32
            }
            _ => return Err(Malformed),
        };
        Ok(Some((number, scalar)))
    }

    /// Nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(Malformed)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f).checked_shl(shift).ok_or(Malformed)?;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }
}
