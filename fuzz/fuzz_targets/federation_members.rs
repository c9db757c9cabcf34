//! What a member hears: of an honest hub, of a hostile one, and of a peer's controller.
#![no_main]

use isthmus_federation::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::heard_by_member(bytes));
