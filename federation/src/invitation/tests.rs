use std::time::{Duration, SystemTime};

use super::*;
use crate::catalog::receive::unix;

fn terms(expires: i64) -> Terms {
    let digest = |byte: char| format!("sha256:{}", byte.to_string().repeat(64)).parse().unwrap();
    Terms {
        hub: vec!["hub.example:15030".into()],
        hub_identity: "spiffe://east.local/ns/isthmus-system/sa/isthmus-hub".parse().unwrap(),
        hub_bundle: digest('a'),
        mesh: "east".parse().unwrap(),
        trust_domain: TrustDomain::new("east.local").unwrap(),
        bundle: digest('b'),
        expires,
    }
}

fn invitation() -> Invitation {
    Invitation::generate(terms(unix(SystemTime::now()) + 3600)).unwrap()
}

fn mesh(name: &str) -> MeshName {
    name.parse().unwrap()
}

fn record(invitation: &Invitation) -> Record {
    Record {
        inviter: invitation.terms.mesh.clone(),
        hub_secret_hash: invitation.hub_secret().hash(),
        expires: invitation.terms.expires,
        used_by: None,
    }
}

#[test]
fn the_text_carries_all_of_it_and_survives_line_breaks() {
    let made = invitation();
    let text = made.to_text();
    assert!(text.expose().starts_with(PREFIX));
    let broken: String =
        text.expose().chars().flat_map(|c| [c].into_iter().chain((c == 'A').then_some('\n'))).collect();
    for text in [text.expose(), &format!("  {}\n", text.expose()), &broken] {
        let read = Invitation::parse(text).unwrap();
        assert_eq!((read.id, &read.terms), (made.id, &made.terms));
        assert_eq!(read.hub_secret().hash(), made.hub_secret().hash());
        assert!(made.peer_secret().verify(b"hello", &read.peer_secret().mac(b"hello")));
    }
}

#[test]
fn an_altered_invitation_is_told_from_a_good_one() {
    let text = invitation().to_text();
    let text = text.expose();
    for at in PREFIX.len()..text.len() {
        let other = if text.as_bytes()[at] == b'x' { "y" } else { "x" };
        let altered = format!("{}{other}{}", &text[..at], &text[at + 1..]);
        assert_eq!(Invitation::parse(&altered).unwrap_err(), BadInvitation::Altered, "at {at}");
        assert!(Invitation::parse(&text[..at]).is_err(), "cut off at {at}");
    }
}

#[test]
fn what_is_no_invitation_says_what_to_do() {
    for (text, error) in [
        ("", BadInvitation::NotOne),
        ("eyJhbGciOi", BadInvitation::NotOne),
        ("isthmus", BadInvitation::NotOne),
        ("isthmus2.AAAA", BadInvitation::Newer),
        ("isthmus1.", BadInvitation::Altered),
        ("isthmus1.AAAA", BadInvitation::Altered),
        (&format!("{PREFIX}{}", "A".repeat(1 << 20)), BadInvitation::Altered),
    ] {
        assert_eq!(Invitation::parse(text).unwrap_err(), error, "{text:.20}");
    }
}

#[test]
fn an_expired_invitation_says_since_when() {
    let over = Invitation::generate(terms(1000)).unwrap();
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    assert_eq!(over.check_time(at(999)), Ok(()));
    let error = over.check_time(at(1060)).unwrap_err();
    assert!(over.has_expired(at(1000)) && error.to_string().contains("expired 60 s ago"), "{error}");
}

#[test]
fn the_two_secrets_are_different_and_none_is_ever_printed() {
    let made = invitation();
    let (hub, text) = (made.hub_secret(), made.to_text());
    assert_ne!(hub.expose(), made.secret.as_bytes());
    assert!(!made.peer_secret().verify(b"hello", made.secret.hub(InvitationId([0; 16])).expose()));
    let printed = format!("{made:?} {hub:?} {:?} {:?} {text:?}", made.peer_secret(), made.secret);
    let bytes = format!("{:?}", &made.secret.as_bytes()[..4]);
    assert!(!printed.contains(&bytes[1..bytes.len() - 1]) && !printed.contains(text.expose()), "{printed}");
    assert_eq!(printed.matches("[secret]").count(), 4);
}

#[test]
fn an_invitation_is_used_once() {
    let made = invitation();
    let (record, secret, now) = (record(&made), made.hub_secret(), SystemTime::now());
    let Ok(Redeemed::Now(used)) = record.redeem(secret.expose(), &mesh("west"), now) else { panic!("not taken") };
    assert_eq!(used.redeem(secret.expose(), &mesh("north"), now), Err(NotRedeemed::Used));
    // Its answer was lost.
    assert_eq!(used.redeem(secret.expose(), &mesh("west"), now), Ok(Redeemed::Again));
}

#[test]
fn an_expired_own_or_guessed_invitation_is_refused() {
    let made = invitation();
    let (record, secret, now) = (record(&made), made.hub_secret(), SystemTime::now());
    let later = now + Duration::from_hours(2);
    assert_eq!(record.redeem(secret.expose(), &mesh("west"), later), Err(NotRedeemed::Expired));
    assert_eq!(record.redeem(secret.expose(), &mesh("east"), now), Err(NotRedeemed::Own));
    for guess in [&[0; 32][..], &[], made.secret.as_bytes()] {
        assert_eq!(record.redeem(guess, &mesh("west"), now), Err(NotRedeemed::Unknown));
    }
}

#[test]
fn an_introduction_that_the_hub_has_changed_is_not_vouched_for() {
    let made = invitation();
    let mac = made.peer_secret().mac(b"west, its bundle");
    assert!(made.peer_secret().verify(b"west, its bundle", &mac));
    assert!(!made.peer_secret().verify(b"west, another bundle", &mac));
    assert!(!made.peer_secret().verify(b"west, its bundle", &mac[1..]));
}

#[test]
fn ids_have_a_text() {
    let id = invitation().id;
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!(InvitationId::from_bytes(&id.to_bytes()), Some(id));
    for bad in ["", "0", &"g".repeat(32), &"é".repeat(16), &format!("+{}", "0".repeat(31))] {
        assert!(bad.parse::<InvitationId>().is_err(), "{bad}");
    }
}
