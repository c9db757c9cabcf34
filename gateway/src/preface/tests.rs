use proptest::prelude::*;

use super::*;

fn header(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family][..], &length, content].concat()
}

const V4: &[u8] = &[10, 1, 2, 3, 192, 168, 0, 1, 0x30, 0x39, 0x3c, 0x53];

fn v6() -> Vec<u8> {
    let address = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
    [&address("fd00::7")[..], &address("fd00::1"), &[0x30, 0x39, 0x3c, 0x53]].concat()
}

#[test]
fn clients_are_read() {
    let values = [V4, &[0x04, 0, 2, 0, 0, 0xea, 0, 0]].concat();
    for (bytes, source) in [
        (header(PROXY, TCP4, V4), Some("10.1.2.3:12345")),
        (header(PROXY, TCP4, &values), Some("10.1.2.3:12345")),
        (header(PROXY, TCP6, &v6()), Some("[fd00::7]:12345")),
        (header(PROXY, UNSPECIFIED, &[]), None),
        (header(PROXY, UNSPECIFIED, b"anything"), None),
        (header(LOCAL, UNSPECIFIED, &[]), None),
        (header(LOCAL, TCP4, V4), None),
        (header(LOCAL, 0xff, b"x"), None),
    ] {
        let expected = Preface { source: source.map(|s| s.parse().unwrap()), length: bytes.len() };
        assert_eq!(parse(&bytes), Ok(expected));
        assert_eq!(parse(&[&bytes[..], b"\x16\x03\x01"].concat()), Ok(expected), "what follows isn't its business");
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end]), Err(Unread::Incomplete), "{end}");
        }
    }
}

#[test]
fn hostile_headers_are_refused() {
    for (what, bytes) in [
        ("another version", header(0x11, TCP4, V4)),
        ("an unknown command", header(0x22, TCP4, V4)),
        ("version 1", b"PROXY TCP4 10.1.2.3 192.168.0.1 12345 15443\r\n".to_vec()),
        ("TLS", vec![22, 3, 1]),
        ("addresses cut short", header(PROXY, TCP4, &V4[..11])),
        ("IPv6 that is IPv4", header(PROXY, TCP6, V4)),
        ("datagrams", header(PROXY, 0x12, V4)),
        ("a file's socket", header(PROXY, 0x31, &[0; 216])),
        ("a value cut short", header(PROXY, TCP4, &[V4, &[4, 0, 9, 1]].concat())),
        ("a value without a length", header(PROXY, TCP4, &[V4, &[4, 0]].concat())),
        ("too long", header(LOCAL, UNSPECIFIED, &[0; PREFACE_BYTES])),
        ("endless", [SIGNATURE, &[PROXY, TCP4, 0xff, 0xff][..]].concat()),
    ] {
        assert_eq!(parse(&bytes), Err(Unread::Malformed), "{what}");
    }
}

proptest! {
    /// Nothing makes it panic, and a verdict doesn't depend on how the bytes were cut.
    #[test]
    fn more_bytes_never_change_a_verdict(command: u8, family: u8, content in prop::collection::vec(any::<u8>(), 0..100), cut in 0usize..120) {
        for bytes in [header(command, family, &content), header(PROXY, TCP4, &content), content.clone()] {
            let whole = parse(&bytes);
            let early = parse(&bytes[..cut.min(bytes.len())]);
            prop_assert!(early == Err(Unread::Incomplete) || early == whole);
        }
    }
}
