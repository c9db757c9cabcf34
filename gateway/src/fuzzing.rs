//! Doors to the parsers of what peers send, for the fuzz targets alone (docs/fuzzing.md).

use isthmus_core::federation::RemoteName;
use isthmus_proxy::{client_hello, limits::DETECT_BYTES};

use crate::{
    hello,
    preface::{Preface, Unread, parse},
};

/// A PROXY protocol header. A decision must not depend on how the bytes were cut into packets.
pub fn preface(bytes: &[u8]) {
    let early = bytes.get(..bytes.len() / 2).unwrap_or_default();
    match parse(early) {
        Err(Unread::Incomplete) => {}
        decided => assert_eq!(parse(bytes), decided),
    }
    if let Ok(Preface { length, .. }) = parse(bytes) {
        assert!(length <= bytes.len() && parse(bytes.get(..length).unwrap_or_default()) == parse(bytes));
    }
}

/// The server name and a protocol of a ClientHello. A name that leads anywhere is read back as the same, and there is one way to
/// write it.
pub fn hello(server_name: &[u8], protocol: &[u8]) {
    let Some(bytes) = client_hello(server_name, protocol) else { return };
    let hello = client_hello::parse(&bytes).unwrap_or_else(|_| unreachable!("a whole ClientHello"));
    let text = std::str::from_utf8(server_name).ok().map(str::to_ascii_lowercase);
    assert_eq!(hello.server_name, text);
    let Ok(name) = hello::name(&hello) else { return };
    let written = name.to_string();
    assert_eq!(written.parse::<RemoteName>().as_ref(), Ok(&name));
    assert_eq!(text.as_deref().map(|text| text.strip_suffix('.').unwrap_or(text)), Some(written.as_str()));
}

/// A ClientHello that says this and no more; `None`: it is too long.
fn client_hello(server_name: &[u8], protocol: &[u8]) -> Option<Vec<u8>> {
    let long = |content: &[u8]| Some([&u16::try_from(content.len()).ok()?.to_be_bytes(), content].concat());
    let name = long(&[&[0], &*long(server_name)?].concat())?;
    let protocols = long(&[&[u8::try_from(protocol.len()).ok()?], protocol].concat())?;
    let extensions = [&[0, 0], &*long(&name)?, &[0, 16], &*long(&protocols)?].concat();
    // Version, random, and neither session, suites nor compression methods.
    let body = [&[3, 3][..], &[7; 32], &[0; 4], &long(&extensions)?].concat();
    if body.len() > DETECT_BYTES {
        return None;
    }
    let message = [&[1, 0], &*long(&body)?].concat();
    Some([&[22, 3, 1], &*long(&message)?].concat())
}
