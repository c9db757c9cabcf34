//! Certificates of peers.
#![no_main]

use isthmus_identity::peer_id;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = peer_id(&[bytes.into()]);
});
