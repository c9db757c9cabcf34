//! SMI objects as any JSON: admission, index, compiler.
#![no_main]

use isthmus_smi_controller::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzzing::review(bytes);
    if let Ok(object) = serde_json::from_slice(bytes) {
        fuzzing::object(&object);
    }
});
