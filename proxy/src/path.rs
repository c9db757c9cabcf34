//! Paths that the callee might read otherwise than the policy does.

/// How often an application might decode a path, at worst.
const DECODINGS: usize = 3;

/// Could an application take the path for another one than it says: by dot segments, plain or encoded, by backslashes, by
/// parameters behind the dots, by a NUL? A grant for `/public` must not be one for `/public/../admin`, so such a request is
/// refused; clients resolve dot segments themselves (RFC 3986 §5.2.4).
pub(crate) fn is_ambiguous(path: &str) -> bool {
    // Almost every path is plain.
    if !path.bytes().any(|b| matches!(b, b'%' | b'\\' | b'.')) {
        return false;
    }
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ambiguous_paths_are_found() {
        for path in [
            "/public/../admin",
            "/public/..",
            "/./a",
            "/public/%2e%2e/admin",
            "/public/.%2E/admin",
            "/public%2f..%2fadmin",
            "/public/%252e%252e/admin",
            "/public/..;/admin",
            "/public/..%3bx=1/admin",
            "/public\\..\\admin",
            "/public%5c..%5cadmin",
            "/public/%00",
            "/%2525252525",
        ] {
            assert!(is_ambiguous(path), "{path}");
        }
        for path in
            ["/", "", "*", "/a.b/c..d/...", "/.well-known/x", "/caf%C3%A9", "/a%20b", "/50%", "/a%2Fb", "/v1;x=..y"]
        {
            assert!(!is_ambiguous(path), "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_plain_segment_never_hides_dots(parts in prop::collection::vec("(\\.|%2e|%2E|%252e|/|%2f|\\\\|a)", 0..12)) {
            let path: String = parts.concat();
            let (mut seen, mut text) = (false, path.clone());
            for _ in 0..4 {
                seen |= text.split(['/', '\\']).any(|s| s == "." || s == "..");
                text = text.replace("%252e", "%2e").replace("%2e", ".").replace("%2E", ".").replace("%2f", "/");
            }
            prop_assert!(!seen || is_ambiguous(&path), "{path}");
        }
    }
}
