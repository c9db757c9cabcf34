//! Whom a request is for, as written in `Host`, `:authority` and absolute-form targets.

/// Is it a host and perhaps a port, and nothing that two readers could cut differently? No user information, no list, no path, no
/// encoding: names are made of letters, digits, `-`, `.`, `_` and `~`, addresses of IPv6 are in brackets.
pub(crate) fn is_sound(authority: &[u8]) -> bool {
    let (host, port) = match authority.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = rest.iter().position(|b| *b == b']') else { return false };
            let (host, behind) = rest.split_at(end);
            let inside = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'.');
            if host.is_empty() || !host.iter().all(inside) {
                return false;
            }
            match behind.get(1..).unwrap_or_default() {
                [] => return true,
                [b':', port @ ..] => (host, port),
                _ => return false,
            }
        }
        None => match authority.iter().position(|b| *b == b':') {
            None => return is_name(authority),
            Some(colon) => {
                let (host, port) = authority.split_at(colon);
                if !is_name(host) {
                    return false;
                }
                (host, port.get(1..).unwrap_or_default())
            }
        },
    };
    !host.is_empty() && is_port(port)
}

fn is_name(host: &[u8]) -> bool {
    !host.is_empty() && host.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(b))
}

fn is_port(port: &[u8]) -> bool {
    let digits = std::str::from_utf8(port).ok().filter(|p| p.bytes().all(|b| b.is_ascii_digit()));
    digits.is_some_and(|p| p.is_empty() || (p.len() <= 5 && p.parse::<u16>().is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        for sound in [
            "web",
            "web.shop:8080",
            "10.0.0.1:80",
            "[fd00::1]:80",
            "[::ffff:10.0.0.1]",
            "a_b",
            "web:",
            "A.b.",
            "x:65535",
        ] {
            assert!(is_sound(sound.as_bytes()), "{sound}");
        }
        for unsound in [
            "",
            ":80",
            "a b",
            "a\tb",
            "user@web",
            "user:pw@web",
            "a,b",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "web:80:80",
            "web:65536",
            "web:000080",
            "web:+80",
            "web:8a",
            "[::1",
            "::1",
            "[]",
            "[::1]x",
            "[::1]:x",
            "[a b]",
            "a%2eb",
            "caf\u{e9}",
            "a\0",
        ] {
            assert!(!is_sound(unsound.as_bytes()), "{unsound}");
        }
    }
}
