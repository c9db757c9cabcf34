//! Certificates of peers: any bytes, and real ones with any names.
#![no_main]

use std::sync::LazyLock;

use isthmus_core::id::SpiffeId;
use isthmus_identity::peer_id;
use libfuzzer_sys::{arbitrary, fuzz_target};
use rcgen::{CertificateParams, KeyPair, KeyUsagePurpose, SanType, string::Ia5String};

#[derive(Debug, arbitrary::Arbitrary)]
enum Input<'a> {
    Bytes(&'a [u8]),
    Names(Vec<Name<'a>>),
}

#[derive(Debug, arbitrary::Arbitrary)]
enum Name<'a> {
    Uri(&'a str),
    Dns(&'a str),
    Email(&'a str),
}

static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate().unwrap());

fuzz_target!(|input: Input| match input {
    Input::Bytes(bytes) => drop(peer_id(&[bytes.into()])),
    Input::Names(names) => named(&names),
});

/// A leaf's identity is its one URI, if that is a SPIFFE ID; other names count for nothing.
fn named(names: &[Name]) {
    let mut params = CertificateParams::default();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let mut uris = Vec::new();
    for name in names {
        let (Name::Uri(text) | Name::Dns(text) | Name::Email(text)) = name;
        let Ok(string) = Ia5String::try_from(*text) else { continue };
        params.subject_alt_names.push(match name {
            Name::Uri(_) => {
                uris.push(*text);
                SanType::URI(string)
            }
            Name::Dns(_) => SanType::DnsName(string),
            Name::Email(_) => SanType::Rfc822Name(string),
        });
    }
    let Ok(certificate) = params.self_signed(&*KEY) else { return };
    let expected = match uris[..] {
        [uri] => uri.parse::<SpiffeId>().ok(),
        _ => None,
    };
    if let Some(id) = peer_id(&[certificate.der().clone()]) {
        assert_eq!(Some(id), expected);
    }
}
