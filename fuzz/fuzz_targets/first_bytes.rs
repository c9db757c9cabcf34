//! The first bytes of connections that a proxy takes: protocol detection and the TLS ClientHello.
#![no_main]

use isthmus_proxy::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::first_bytes(bytes));
