//! Doors to the parsers of what peers send, for the fuzz targets alone (docs/fuzzing.md).

use crate::preface::{Preface, Unread, parse};

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
