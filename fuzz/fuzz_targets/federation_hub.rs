//! What the hub hears of members and of joiners.
#![no_main]

use isthmus_federation::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::heard_by_hub(bytes));
