//! Patches of each type, applied to any object: `{"object": …, "patch": …}`.
#![no_main]

use isthmus_local_machinery::{
    apply::{self, Writer},
    builtin, patch,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(input) = serde_json::from_slice::<Value>(bytes) else { return };
    let (object, change) = (&input["object"], &input["patch"]);
    let merged = patch::merge_patch(object, change);
    // RFC 7396: what a merge patch has set, it sets again.
    assert_eq!(patch::merge_patch(&merged, change), merged);
    let _ = patch::json_patch(object, change);
    for kind in ["Pod", "Service"] {
        let Some(resource) = builtin::by_kind("", "v1", kind) else { continue };
        if let Some(schema) = builtin::schema(resource) {
            let _ = patch::strategic_merge(schema, object, change);
            let writer = |manager| Writer { manager, subresource: "", now: Default::default() };
            let Ok(first) = apply::apply(schema, None, object, writer("one"), false) else { continue };
            // Server-side apply: the same configuration again changes nothing.
            let again = apply::apply(schema, Some(&first), object, writer("one"), false);
            assert_eq!(again.ok().as_ref(), Some(&first));
            let _ = apply::apply(schema, Some(&first), change, writer("two"), true);
        }
    }
});
