//! Questions to the cluster's DNS server.
#![no_main]

use isthmus_local_node::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::question(bytes));
