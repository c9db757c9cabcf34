use serde_json::json;

use super::*;

#[test]
fn times_have_seconds_or_microseconds() {
    let now: Timestamp = "2026-11-21T04:24:08.0001239Z".parse().unwrap();
    assert_eq!(rfc3339(now), "2026-11-21T04:24:08Z");
    assert_eq!(rfc3339_micro(now), "2026-11-21T04:24:08.000123Z");
    assert_eq!(parse_time("2026-11-21T04:24:08Z").map(rfc3339).as_deref(), Some("2026-11-21T04:24:08Z"));
    assert_eq!(parse_time("2026-11-21T05:24:08+01:00").map(rfc3339).as_deref(), Some("2026-11-21T04:24:08Z"));
    assert_eq!(parse_time("yesterday"), None);
}

#[test]
fn a_uid_is_a_version_4_uuid() {
    assert_eq!(uid([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    assert_eq!(uid([0; 16]), "00000000-0000-4000-8000-000000000000");
}

#[test]
fn a_generated_name_fits_a_label() {
    assert_eq!(generate_name("web-", [0, 1, 2, 3, 4]), "web-bcdfg");
    assert_eq!(generate_name(&"a".repeat(80), [255; 5]).len(), 63);
}

#[test]
fn metadata_is_made_when_needed() {
    let mut object = json!({"metadata": 3});
    metadata_mut(&mut object).unwrap().insert("name".into(), "x".into());
    assert_eq!(name(&object), "x");
    assert_eq!(namespace(&object), "");
    assert!(metadata_mut(&mut json!(3)).is_none());
}

#[test]
fn quantities_are_read_in_thousandths() {
    for (text, milli) in [
        ("1", 1000),
        ("250m", 250),
        ("1.5", 1500),
        ("1k", 1_000_000),
        ("1Ki", 1_024_000),
        ("1e3", 1_000_000),
        ("2E", 2_000_000_000_000_000_000_000),
        ("-1", -1000),
        ("1u", 1),
        (".5", 500),
    ] {
        assert_eq!(quantity_milli(text), Some(milli), "{text}");
    }
    for text in ["", "x", "1.2.3", "1Q", "1e99", ".", "1 ", "99999999999999999999"] {
        assert_eq!(quantity_milli(text), None, "{text}");
    }
}
