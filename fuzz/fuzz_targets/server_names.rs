//! The server names and protocols of the ClientHellos that a gateway reads.
#![no_main]

use isthmus_gateway::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (server_name, protocol) = input;
    fuzzing::hello(server_name, protocol);
});
