//! Paths and hop fields of the requests that a proxy passes on.
#![no_main]

use isthmus_proxy::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, bool, Vec<(u8, &[u8])>)| {
    let (target, h2, fields) = input;
    fuzzing::request(target, h2, &fields);
});
