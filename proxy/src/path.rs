//! One way to write a path, for what is matched and for what is forwarded (RFC 3986 §6.2.2; docs/limits.md).

use std::borrow::Cow;

/// How often an application might decode a path, at worst.
const DECODINGS: usize = 3;

/// Why a path isn't taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ambiguous;

/// The path as it is matched and forwarded: what is percent-encoded without need is decoded, and hex digits are upper case. Nothing
/// else is changed. A path that an application could take for another one is refused: one with dot segments (plain, encoded, behind
/// backslashes or with parameters), a backslash, a NUL, a `%` that encodes nothing, or encoded over and over. Clients resolve dot
/// segments themselves (RFC 3986 §5.2.4).
pub(crate) fn normalise(path: &str) -> Result<Cow<'_, str>, Ambiguous> {
    // Almost every path is plain.
    if !path.bytes().any(|b| matches!(b, b'%' | b'\\' | b'.')) {
        return Ok(Cow::Borrowed(path));
    }
    let written = if path.contains('%') { rewrite(path)? } else { Cow::Borrowed(path) };
    if written.contains('\\') || is_ambiguous(&written) { Err(Ambiguous) } else { Ok(written) }
}

/// The path as the most lenient application would read it, where that differs: with encoded separators decoded (how often they
/// were encoded doesn't matter), backslashes as slashes, parameters cut off and empty segments left out. A grant must cover this
/// reading too, or `/users/[^/]+$` would open `/users/7%2Fdelete`, and `/[^/]+\.css$` would open `/admin;x.css`.
pub(crate) fn loosest(path: &str) -> Option<String> {
    if !path.bytes().any(|b| matches!(b, b'%' | b';')) && !path.contains("//") {
        return None;
    }
    let mut text = path.to_owned();
    for _ in 0..DECODINGS {
        text = decode_where(&text, |byte, rest| match byte {
            b'/' | b'\\' | b';' | b'?' | b'#' => true,
            // A percent sign counts only where it encodes another one's.
            b'%' => triplet(rest).is_some(),
            _ => is_unreserved(byte),
        });
    }
    let whole = text.split(['?', '#']).next().unwrap_or_default().replace('\\', "/");
    let mut names = whole.split('/').map(|segment| segment.split(';').next().unwrap_or_default());
    let mut read = String::with_capacity(whole.len());
    for name in names.clone().filter(|name| !name.is_empty()) {
        read.push('/');
        read.push_str(name);
    }
    if names.next_back() == Some("") {
        read.push('/');
    }
    if read == path { None } else { Some(read) }
}

/// Decodes what needn't be encoded, and writes the rest in upper case.
fn rewrite(path: &str) -> Result<Cow<'_, str>, Ambiguous> {
    let mut written = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((plain, encoded)) = rest.split_once('%') {
        written.push_str(plain);
        let byte = triplet(encoded).ok_or(Ambiguous)?;
        if is_unreserved(byte) {
            written.push(char::from(byte));
        } else {
            written.push('%');
            written.extend(encoded.chars().take(2).map(|digit| digit.to_ascii_uppercase()));
        }
        rest = encoded.get(2..).unwrap_or_default();
    }
    written.push_str(rest);
    Ok(if written == path { Cow::Borrowed(path) } else { Cow::Owned(written) })
}

/// Decodes the triplets that are chosen, by their byte and by what follows them.
fn decode_where(text: &str, chosen: impl Fn(u8, &str) -> bool) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, encoded)) = rest.split_once('%') {
        decoded.push_str(plain);
        let behind = encoded.get(2..).unwrap_or_default();
        match triplet(encoded).filter(|byte| chosen(*byte, behind)) {
            Some(byte) => {
                decoded.push(char::from(byte));
                rest = behind;
            }
            None => {
                decoded.push('%');
                rest = encoded;
            }
        }
    }
    decoded.push_str(rest);
    decoded
}

/// The byte that two hex digits at the beginning stand for.
fn triplet(text: &str) -> Option<u8> {
    let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let bytes = text.as_bytes();
    Some(digit(bytes.first())? << 4 | digit(bytes.get(1))?)
}

/// RFC 3986 §2.3: never needs to be encoded.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Could an application take the path for another one than it says: by dot segments, plain or encoded, by backslashes, by
/// parameters behind the dots, by a NUL? A grant for `/public` must not be one for `/public/../admin`.
fn is_ambiguous(path: &str) -> bool {
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..DECODINGS {
        if bytes.contains(&0) || bytes.split(|b| matches!(b, b'/' | b'\\')).any(is_dots) {
            return true;
        }
        let decoded = decode(&bytes);
        if decoded == bytes {
            return false;
        }
        bytes = decoded;
    }
    // Still changing: encoded over and over, which no honest client does.
    true
}

/// `.` or `..`, also with parameters (`..;x=y`), which some servers cut off.
fn is_dots(segment: &[u8]) -> bool {
    matches!(segment.split(|b| *b == b';').next(), Some(b"." | b".."))
}

fn decode(bytes: &[u8]) -> Vec<u8> {
    let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        match (first, digit(tail.first()), digit(tail.get(1))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high << 4 | low);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                decoded.push(*first);
                rest = tail;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests;
