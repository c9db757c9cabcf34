use isthmus_core::id::{ObjectName, TrustDomain};

use super::*;

fn names() -> Names {
    let name = |name: &str| ObjectName::new("isthmus-system", name);
    Names { wanted: name("isthmus-ca"), stored: name("isthmus-trust"), domain: TrustDomain::new("a.test").unwrap() }
}

fn authority() -> Arc<Authority> {
    Arc::new(Authority::generate(names().domain, SystemTime::now(), Duration::from_secs(3600)).unwrap())
}

#[test]
fn every_phase_survives_its_secret() {
    let (old, new) = (authority(), authority());
    let (signer, other) = (new.root(), old.root());
    let since = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    for phase in [
        Phase::Steady { root: signer },
        Phase::Publishing { signer, next: other },
        Phase::Turning { signer, old: other },
    ] {
        let rotation = Rotation { phase, sequence: 7, since, longest_leaf: Duration::from_secs(86_400) };
        let roots = Roots::begin(new.clone(), Duration::from_secs(60), since).unwrap();
        let (chain, tokens) = (roots.chain().clone(), roots.tokens().clone());
        let roots = Roots::of(rotation, &[old.clone(), new.clone()], chain, tokens).unwrap().unwrap();
        let again = read(&names(), &write(&names(), &roots)).unwrap();
        assert_eq!(again.rotation, rotation);
        assert_eq!(again.bundle(), roots.bundle());
        assert_eq!((again.chain(), again.tokens()), (roots.chain(), roots.tokens()));
        assert_eq!(again.chain().links().len(), 2, "the one before, and this one");
        assert_eq!(again.bundle().roots.len(), if matches!(phase, Phase::Steady { .. }) { 1 } else { 2 });
        assert_eq!(again.signer().root(), signer);
        let elder = if matches!(phase, Phase::Turning { .. }) { other } else { signer };
        assert_eq!(again.elder().root(), elder);
    }
}

#[test]
fn a_state_that_cannot_be_read_is_refused_by_entry() {
    let roots = Roots::begin(authority(), Duration::from_secs(60), SystemTime::now()).unwrap();
    let with = |key: &str, value: Option<&str>| {
        let mut secret = write(&names(), &roots);
        let data = secret.data.as_mut().unwrap();
        match value {
            Some(value) => data.insert(key.to_owned(), ByteString(value.as_bytes().to_vec())),
            None => data.remove(key),
        };
        read(&names(), &secret).unwrap_err().to_string()
    };
    for (key, value, said) in [
        ("state.json", None, "entry state.json is missing"),
        ("state.json", Some("{"), "entry state.json EOF"),
        ("signer.key", None, "entry signer.key is missing"),
        ("bundles.json", Some("[{}]"), "entry bundles.json missing field"),
        ("tokens.key", Some("short"), "entry tokens.key is missing or not a key"),
        ("signer.crt", Some("PEM"), "is not a PEM certificate"),
    ] {
        let error = with(key, value);
        assert!(error.contains("isthmus-system/isthmus-trust") && error.contains(said), "{error}");
    }
    let turning = r#"{"phase":"Turning","sequence":2,"since":0,"longestLeafSeconds":60}"#;
    assert!(with("state.json", Some(turning)).contains("other.crt is missing"));
    let far = format!(r#"{{"phase":"Steady","sequence":2,"since":{},"longestLeafSeconds":60}}"#, u64::MAX);
    assert!(with("state.json", Some(&far)).contains("no clock can show"));
}
