//! Numbers as hexadecimal digits.

const DIGITS: [u8; 16] = *b"0123456789abcdef";

/// What isn't a digit.
const NONE: u8 = 0x10;
/// The value of each byte as a digit. Every request's ids are read and written, so they are looked up.
const VALUES: [u8; 256] = values(true);
/// The same, where upper case isn't a digit.
const LOWER: [u8; 256] = values(false);
/// The digits of each byte.
const PAIRS: [[u8; 2]; 256] = pairs();

#[expect(clippy::indexing_slicing, reason = "only the compiler does it")]
const fn values(upper: bool) -> [u8; 256] {
    let mut values = [NONE; 256];
    let mut value = 0;
    while value < 16 {
        let digit = DIGITS[value as usize];
        values[digit as usize] = value;
        if upper {
            values[digit.to_ascii_uppercase() as usize] = value;
        }
        value += 1;
    }
    values
}

#[expect(clippy::indexing_slicing, reason = "only the compiler does it")]
const fn pairs() -> [[u8; 2]; 256] {
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 0xf]];
        byte += 1;
    }
    pairs
}

fn value(digit: u8, values: &[u8; 256]) -> u8 {
    values.get(usize::from(digit)).copied().unwrap_or(NONE)
}

/// A number of exactly so many bytes.
pub(super) fn exact<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    decode(text, &VALUES)
}

/// The same, in lower case.
pub(super) fn lower<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    decode(text, &LOWER)
}

fn decode<const N: usize>(text: &[u8], values: &[u8; 256]) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    let mut faults = 0;
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let (high, low) = (value(*high, values), value(*low, values));
        faults |= (high | low) & NONE;
        *byte = high << 4 | low;
    }
    (faults == 0).then_some(bytes)
}

/// The same, where leading zeros may be missing.
pub(super) fn padded<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.is_empty() || text.len() > 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (place, byte) in text.iter().rev().enumerate() {
        let digit = value(*byte, &VALUES);
        if digit == NONE {
            return None;
        }
        let target = bytes.get_mut(N.checked_sub(1 + place / 2)?)?;
        *target |= if place % 2 == 0 { digit } else { digit << 4 };
    }
    Some(bytes)
}

/// Appends the digits of these bytes.
pub(super) fn write(text: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        text.extend_from_slice(PAIRS.get(usize::from(*byte)).unwrap_or(b"00"));
    }
}

/// The digits of these bytes.
pub(super) fn written(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(2 * bytes.len());
    write(&mut text, bytes);
    text.into_iter().map(char::from).collect()
}
