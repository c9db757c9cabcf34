use std::time::{Duration, SystemTime};

use isthmus_identity::Authority;

use super::*;

fn bundle(sequence: u64) -> Bundle {
    let domain = TrustDomain::new("isthmus.local").unwrap();
    Authority::generate(domain, SystemTime::now(), Duration::from_secs(3600)).unwrap().bundle(sequence)
}

fn config(path: &Path, of_pod: &Bundle) -> Config {
    let id = "spiffe://isthmus.local/ns/isthmus-system/sa/isthmus-controller".parse().unwrap();
    let mut config = Config::new("c:1", id, of_pod.trust_domain.clone());
    config.trust_bundle = of_pod.to_pem();
    config.trust_file = Some(path.to_owned());
    config
}

#[tokio::test]
async fn roots_are_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder.path().join("roots"), &bundle(0));
    assert_eq!(first(&config).unwrap().sequence, 0);
    for sequence in [7, 8] {
        let newer = bundle(sequence);
        keep(&config, &TrustStore::with(std::slice::from_ref(&newer)).unwrap()).await;
        assert_eq!(first(&config).unwrap(), newer);
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_as_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots");
    let of_pod = bundle(0);
    let config = config(&path, &of_pod);
    let good = bundle(7).to_pem();
    for text in [String::new(), good.clone(), format!("sequence: x\n{good}"), "sequence: 7\n".to_owned()] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(first(&config).unwrap(), of_pod);
    }
    std::fs::write(&path, format!("sequence: 7\n{}{good}", " \n".repeat(1 << 20))).unwrap();
    assert_eq!(first(&config).unwrap(), of_pod);
    // A folder that isn't there: the roots in use stay in use.
    let mut config = config;
    config.trust_file = Some(folder.path().join("missing/roots"));
    keep(&config, &TrustStore::with(&[bundle(7)]).unwrap()).await;
    assert_eq!(first(&config).unwrap(), of_pod);
}
