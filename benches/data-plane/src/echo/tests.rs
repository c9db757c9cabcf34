use super::*;

#[test]
fn a_body_belongs_to_its_id() {
    let id = b"0123456789abcdef";
    assert!(is_body(&body(id), id));
    assert!(!is_body(&body(b"0123456789abcdeX"), id));
    assert!(!is_body(&body(id)[..BODY - 1], id));
}

#[test]
fn the_pattern_shows_a_shift() {
    let pattern = pattern();
    assert!((1..512).all(|shift| pattern[shift..] != pattern[..pattern.len() - shift]));
}
