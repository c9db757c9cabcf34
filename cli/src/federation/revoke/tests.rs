#![allow(clippy::unwrap_used)]

use isthmus_core::id::TrustDomain;
use isthmus_federation::invitation::Terms;
use isthmus_k8s::federation::invitation::{STATE, Side, secret};

use super::*;

/// When the invitations of these tests end, Unix seconds.
const END: u64 = 1000;

fn kept(side: Side, state: Option<State>) -> Secret {
    let digest = format!("sha256:{}", "0a".repeat(32));
    let invitation = Invitation::generate(Terms {
        hub: vec!["100.64.0.10:15030".into()],
        hub_identity: "spiffe://east.local/ns/isthmus-system/sa/isthmus-hub".parse().unwrap(),
        hub_bundle: digest.parse().unwrap(),
        mesh: "east".parse().unwrap(),
        trust_domain: TrustDomain::new("east.local").unwrap(),
        bundle: digest.parse().unwrap(),
        expires: i64::try_from(END).unwrap(),
    });
    let text = invitation.unwrap().to_text();
    let mut secret = secret("isthmus-system", "0f", side, text.expose(), None);
    if let Some(state) = state {
        secret.annotations_mut().insert(STATE.to_owned(), state.as_str().to_owned());
    }
    secret
}

#[test]
fn what_says_that_an_invitation_was_used_here_is_kept_until_it_has_expired() {
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let used = kept(Side::Joiner, Some(State::Used));
    assert!(!is_over(&used, at(END - 1)) && is_over(&used, at(END + 1)));
    // What was never used would be taken up again.
    for secret in
        [kept(Side::Joiner, None), kept(Side::Joiner, Some(State::Refused)), kept(Side::Inviter, Some(State::Used))]
    {
        assert!(is_over(&secret, at(END - 1)), "{secret:?}");
    }
    let unreadable = Secret { data: None, ..used };
    assert!(is_over(&unreadable, at(END - 1)));
}
