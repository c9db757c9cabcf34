//! Numbers as hexadecimal digits.

const DIGITS: [u8; 16] = *b"0123456789abcdef";

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// A number of exactly so many bytes.
pub(super) fn exact<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() == 2 * N { padded(text) } else { None }
}

/// The same, where leading zeros may be missing.
pub(super) fn padded<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.is_empty() || text.len() > 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (place, byte) in text.iter().rev().enumerate() {
        let digit = digit(*byte)?;
        let target = bytes.get_mut(N.checked_sub(1 + place / 2)?)?;
        *target |= if place % 2 == 0 { digit } else { digit << 4 };
    }
    Some(bytes)
}

/// Appends the digits of these bytes.
pub(super) fn write(text: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 0xf] {
            text.extend(DIGITS.get(usize::from(nibble)));
        }
    }
}

/// The digits of these bytes.
pub(super) fn written(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(2 * bytes.len());
    write(&mut text, bytes);
    text.into_iter().map(char::from).collect()
}
