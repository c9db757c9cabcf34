//! Certificates of peers: any bytes, and real ones with any names.
#![no_main]

use std::sync::LazyLock;

use isthmus_core::id::SpiffeId;
use isthmus_identity::{peer_id, peer_workload};
use libfuzzer_sys::{arbitrary, fuzz_target};
use rcgen::{CertificateParams, DnType, KeyPair, KeyUsagePurpose, SanType, string::Ia5String};

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
    Subject(Part, &'a str),
}

#[derive(Debug, Clone, Copy, arbitrary::Arbitrary)]
enum Part {
    Organization,
    CommonName,
    Unit,
}

static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate().unwrap());

fuzz_target!(|input: Input| match input {
    Input::Bytes(bytes) => {
        let chain = [bytes.into()];
        assert_eq!(peer_id(&chain).is_some(), peer_workload(&chain).is_some());
    }
    Input::Names(names) => named(&names),
});

/// A leaf's identity is its one URI, if that is a SPIFFE ID; other names and the subject count for nothing.
fn named(names: &[Name]) {
    let mut params = CertificateParams::default();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let mut uris = Vec::new();
    for name in names {
        let text = match name {
            Name::Uri(text) | Name::Dns(text) | Name::Email(text) => text,
            Name::Subject(part, text) => {
                let part = match part {
                    Part::Organization => DnType::OrganizationName,
                    Part::CommonName => DnType::CommonName,
                    Part::Unit => DnType::OrganizationalUnitName,
                };
                params.distinguished_name.push(part, *text);
                continue;
            }
        };
        let Ok(string) = Ia5String::try_from(*text) else { continue };
        params.subject_alt_names.push(match name {
            Name::Uri(_) => {
                uris.push(*text);
                SanType::URI(string)
            }
            Name::Dns(_) => SanType::DnsName(string),
            Name::Email(_) => SanType::Rfc822Name(string),
            Name::Subject(..) => continue,
        });
    }
    let Ok(certificate) = params.self_signed(&*KEY) else { return };
    let expected = match uris[..] {
        [uri] => uri.parse::<SpiffeId>().ok(),
        _ => None,
    };
    let chain = [certificate.der().clone()];
    let id = peer_id(&chain);
    let mesh = peer_workload(&chain).map(|workload| workload.mesh);
    assert_eq!(mesh.as_deref(), id.as_ref().map(|id| id.trust_domain().as_str()));
    if id.is_some() {
        assert_eq!(id, expected);
    }
}
