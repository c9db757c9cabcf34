//! The PROXY protocol header before a gateway's connections.
#![no_main]

use isthmus_gateway::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::preface(bytes));
