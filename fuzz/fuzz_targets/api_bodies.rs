//! Bodies of requests to the embedded API server.
#![no_main]

use isthmus_local_machinery::{decode, jsonpath::Path, patch, proto, selector::LabelSelector};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = proto::decode(bytes);
    let _ = decode::yaml(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = LabelSelector::parse(text);
        let _ = Path::parse(text);
    }
    if let Ok(decoded) = decode::json(bytes) {
        let original = serde_json::json!({"a": [1, {"b": null}], "c": {"d": "e"}});
        let _ = patch::json_patch(&original, &decoded.value);
        let _ = patch::merge_patch(&original, &decoded.value);
    }
});
