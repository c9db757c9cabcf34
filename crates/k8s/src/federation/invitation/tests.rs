#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn a_secret_says_all_that_the_controller_needs() {
    let secret = secret("isthmus-system", "0f", Side::Joiner, "isthmus1.x", None);
    assert_eq!(secret.name_any(), secret_name("0f"));
    assert_eq!((Side::of(&secret), State::of(&secret)), (Some(Side::Joiner), None));
    assert_eq!(text(&secret), Some("isthmus1.x"));
    assert!(secret.metadata.annotations.is_none());
}

#[test]
fn states_and_sides_are_read_back() {
    for state in [State::Announced, State::Used, State::Expired, State::Refused] {
        let mut secret = secret("isthmus-system", "0f", Side::Inviter, "isthmus1.x", Some("west"));
        secret.annotations_mut().insert(STATE.to_owned(), state.as_str().to_owned());
        assert_eq!((Side::of(&secret), State::of(&secret)), (Some(Side::Inviter), Some(state)));
        assert_eq!(secret.annotations().get(TO).unwrap(), "west");
    }
    let other = Secret::default();
    assert_eq!((Side::of(&other), State::of(&other), text(&other)), (None, None, None));
}
