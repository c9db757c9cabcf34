//! Texts of invitations: any, and well-copied ones of any content.
#![no_main]

use isthmus_federation::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::invitation(bytes));
