use std::sync::Arc;

use proptest::prelude::*;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::{
    client_hello::{ClientHello, Unread, parse},
    *,
};

/// A ClientHello as rustls writes it.
fn hello(name: &str, alpn: &[&str]) -> Vec<u8> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|a| a.as_bytes().to_vec()).collect();
    let mut client = ClientConnection::new(Arc::new(config), name.to_owned().try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// The same handshake message in records of at most `size` bytes.
fn fragmented(hello: &[u8], size: usize) -> Vec<u8> {
    hello[5..]
        .chunks(size)
        .flat_map(|part| [&[22, 3, 1][..], &u16::try_from(part.len()).unwrap().to_be_bytes(), part].concat())
        .collect()
}

#[test]
fn protocols_are_told_apart() {
    for (bytes, expected) in [
        (&b"GET / HTTP/1.1\r\n"[..], Some(Protocol::Http1)),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(Protocol::Http2)),
        (b"PRI * HTTP/2.0\r\n\r\n", None),
        (b"PROPFIND /a b HTTP/1.0\n", Some(Protocol::Http1)),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", Some(Protocol::Http1)),
        (b"GET / HT", None),
        (b"GE", None),
        (b"GET key\r\n", Some(Protocol::Opaque)),
        (b"GET / HTTP/2.0\r\n", Some(Protocol::Opaque)),
        (b"*1\r\n$4\r\nPING\r\n", Some(Protocol::Opaque)),
        (b"EHLO\r\n", Some(Protocol::Opaque)),
        (b"GET \x00", Some(Protocol::Opaque)),
        (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", Some(Protocol::Opaque)),
        (b"\x16\x03\x01\x00\x05\x01", Some(Protocol::Tls)),
        (b"\x16\x03", None),
        (b"\x16\x02", Some(Protocol::Opaque)),
        (b"\x16\x03\x01\x00\x05\x02", Some(Protocol::Opaque)),
        (b"", None),
    ] {
        assert_eq!(look(bytes), expected, "{}", bytes.escape_ascii());
    }
    assert_eq!(look(&[b"GET /", &[b'a'; DETECT_BYTES][..]].concat()), Some(Protocol::Opaque));
}

#[test]
fn server_name_and_alpn_are_read() {
    let bytes = hello("p80.web.shop.svc.isthmus.mesh", &["isthmus-h2", "isthmus-tcp"]);
    let expected = ClientHello {
        random: bytes[11..43].try_into().unwrap(),
        server_name: Some("p80.web.shop.svc.isthmus.mesh".into()),
        alpn: vec![b"isthmus-h2".to_vec(), b"isthmus-tcp".to_vec()],
    };
    assert_eq!(look(&bytes), Some(Protocol::Tls));
    assert_eq!(parse(&bytes), Ok(expected.clone()));
    assert_eq!(parse(&fragmented(&bytes, 100)), Ok(expected));
    for end in 0..bytes.len() {
        assert_eq!(parse(&bytes[..end]), Err(Unread::Incomplete), "{end}");
    }
}

#[test]
fn endless_hellos_are_refused() {
    assert_eq!(parse(&[22, 3, 1, 0, 0]), Err(Unread::Malformed));
    assert_eq!(parse(&[22, 3, 1, 0, 4, 1, 255, 255, 255]), Err(Unread::Malformed));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = (look(&bytes), parse(&bytes));
        let tls = [&[22, 3, 1, 1, 0, 1, 0, 0, 250][..], &bytes].concat();
        let _ = (look(&tls), parse(&tls));
    }

    #[test]
    fn a_damaged_hello_makes_it_not_panic(at in 0usize..1500, value: u8, size in 1usize..2000) {
        let mut bytes = hello("a.b", &["x"]);
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value;
        }
        let _ = parse(&fragmented(&bytes, size));
    }

    #[test]
    fn more_bytes_never_change_a_verdict(bytes in "[A-Z/ a\r\n]{0,40}", more in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Some(verdict) = look(bytes.as_bytes()) {
            prop_assert_eq!(look(&[bytes.as_bytes(), &more].concat()), Some(verdict));
        }
    }
}

#[test]
fn a_decision_does_not_depend_on_how_the_bytes_were_cut() {
    let line = b"GET \x01 HTTP/1.1\r\n";
    assert_eq!(look(line), Some(Protocol::Opaque));
    assert_eq!(look(&line[..6]), Some(Protocol::Opaque));
}
