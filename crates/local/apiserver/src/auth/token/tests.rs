use super::*;

fn signer() -> Signer {
    Signer::new(&rcgen::KeyPair::generate().unwrap().serialize_der()).unwrap()
}

fn grant() -> Grant {
    let private = Private {
        namespace: "shop".into(),
        node: None,
        pod: None,
        secret: None,
        serviceaccount: Ref { name: "web".into(), uid: "u".into() },
    };
    Grant { private, audiences: vec!["mesh".into()], seconds: 600 }
}

#[test]
fn a_token_is_good_for_its_audience_and_time_only() {
    let signer = signer();
    let (token, exp) = signer.sign(grant(), 1000).unwrap();
    assert_eq!(exp, 1600);
    let mesh = ["mesh".to_owned()];
    let claims = signer.verify(&token, &mesh, 1000).unwrap();
    assert_eq!(claims.sub, "system:serviceaccount:shop:web");
    assert_eq!(signer.verify(&token, &mesh, 999).unwrap_err(), TokenError::Expired);
    assert_eq!(signer.verify(&token, &mesh, 1600).unwrap_err(), TokenError::Expired);
    assert!(matches!(signer.verify(&token, &["other".to_owned()], 1000), Err(TokenError::WrongAudience { .. })));
}

#[test]
fn a_token_of_another_key_or_a_changed_one_is_refused() {
    let (ours, theirs) = (signer(), signer());
    let (token, _) = theirs.sign(grant(), 1000).unwrap();
    assert_eq!(ours.verify(&token, &["mesh".to_owned()], 1000).unwrap_err(), TokenError::BadSignature);
    let none = format!("{}.{}.", BASE64URL.encode(r#"{"alg":"none"}"#), token.split('.').nth(1).unwrap());
    assert_eq!(ours.verify(&none, &["mesh".to_owned()], 1000).unwrap_err(), TokenError::Malformed);
    for junk in ["", ".", "..", "a.b.c", "é.é.é"] {
        assert_eq!(ours.verify(junk, &["mesh".to_owned()], 1000).unwrap_err(), TokenError::Malformed, "{junk}");
    }
}
