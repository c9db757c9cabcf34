//! The kernel's answers to a batch of nf_tables messages.
#![no_main]

use isthmus_netfilter::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::answers(bytes));
