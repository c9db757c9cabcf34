//! Bundle documents of other meshes: any bytes, and real ones with any changes; and what a carrier signs in their name.
#![no_main]

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use isthmus_core::id::TrustDomain;
use isthmus_identity::{Authority, BadDocument, Chain, Document, HeldBundle, RootSignature, SignedBundle};
use libfuzzer_sys::{arbitrary, fuzz_target};

#[derive(Debug, arbitrary::Arbitrary)]
enum Input<'a> {
    Bytes(&'a [u8]),
    /// A real document with these bytes in the place of those from the position on.
    Changed { at: u16, length: u8, by: &'a [u8], signature: &'a [u8] },
}

const HOUR: Duration = Duration::from_secs(3600);

static DOMAIN: LazyLock<TrustDomain> = LazyLock::new(|| TrustDomain::new("a.test").unwrap());
static ROOT: LazyLock<Authority> =
    LazyLock::new(|| Authority::generate(DOMAIN.clone(), SystemTime::now(), 24 * 365 * HOUR).unwrap());
static HELD: LazyLock<SignedBundle> = LazyLock::new(|| SignedBundle::sign(&ROOT.bundle(1), HOUR, &[&ROOT]).unwrap());
static NEXT: LazyLock<SignedBundle> = LazyLock::new(|| SignedBundle::sign(&ROOT.bundle(2), HOUR, &[&ROOT]).unwrap());

fuzz_target!(|input: Input| match input {
    Input::Bytes(bytes) => read(bytes),
    Input::Changed { at, length, by, signature } => {
        let mut document = NEXT.document.clone();
        let from = usize::from(at) % document.len();
        let until = (from + usize::from(length)).min(document.len());
        document.splice(from..until, by.iter().copied());
        read(&document);
        carried(document, signature);
    }
});

/// What was read can be written, unless a key of it has no entry, and is read back as the same bundle.
fn read(bytes: &[u8]) {
    let Ok(document) = Document::read(DOMAIN.clone(), bytes) else { return };
    let written = match Document::of(&document.bundle, document.refresh_hint.unwrap_or_default()) {
        Ok(written) => written,
        Err(BadDocument::Key { .. } | BadDocument::TooLong { .. }) => return,
        Err(other) => panic!("{other}"),
    };
    let again = Document::read(DOMAIN.clone(), written.as_bytes()).unwrap();
    assert_eq!(again.bundle, document.bundle);
}

/// Nothing is believed but what the root has signed.
fn carried(document: Vec<u8>, signature: &[u8]) {
    let held = HeldBundle::restore(DOMAIN.clone(), HELD.document.clone()).unwrap();
    let mut signatures = NEXT.signatures.clone();
    signatures.push(RootSignature { root: ROOT.root(), signature: signature.to_vec() });
    let shown = SignedBundle { trust_domain: DOMAIN.clone(), document, signatures };
    let Ok(chain) = Chain::new(vec![shown]) else { return };
    let believed = held.advance_all(&chain, SystemTime::now()).held;
    assert!(believed == held || believed.document() == NEXT.document);
}
