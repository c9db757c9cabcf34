use serde_json::json;

use super::*;

#[test]
fn quantities_are_read_by_milli_value() {
    for (value, expected) in [
        (json!(1), Some(1000)),
        (json!(0), Some(0)),
        (json!("500m"), Some(500)),
        (json!("0m"), Some(0)),
        (json!("1500m"), Some(1500)),
        (json!("1"), Some(1000)),
        (json!("0.5"), Some(500)),
        (json!(0.5), Some(500)),
        (json!("1k"), Some(1_000_000)),
        (json!("1Ki"), Some(1_024_000)),
        (json!("1e2"), Some(100_000)),
        (json!("1E-2"), Some(10)),
        // Rounded up, as MilliValue does.
        (json!("1u"), Some(1)),
        (json!("100n"), Some(1)),
        (json!("-1"), None),
        (json!(-1), None),
        (json!("1.2.3"), None),
        (json!("1x"), None),
        (json!(""), None),
        (json!("1e99"), None),
        (json!(true), None),
    ] {
        assert_eq!(milli(&value), expected, "{value}");
    }
}

#[test]
fn weights_keep_their_proportion() {
    assert_eq!(weights(&[500, 0]), Some(vec![500, 0]));
    assert_eq!(weights(&[90_000, 10_000]), Some(vec![90, 10]));
    assert_eq!(weights(&[500, 1000]), Some(vec![500, 1000]));
    assert_eq!(weights(&[0, 0]), Some(vec![0, 0]));
    let billion = 5_000_000_000_000;
    assert_eq!(weights(&[billion, billion * 3]), Some(vec![1, 3]));
    assert_eq!(weights(&[billion * 1000 + 1, 1]), None);
}
