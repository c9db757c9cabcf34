//! One root as a JSON Web Key (RFC 7517, RFC 7518 §6).

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use x509_parser::{
    oid_registry::{OID_EC_P256, OID_NIST_EC_P384, OID_NIST_EC_P521},
    public_key::PublicKey,
    x509::SubjectPublicKeyInfo,
};

use crate::leaf;

const USE: &str = "x509-svid";
const EC: &str = "EC";
const RSA: &str = "RSA";

/// The members that a root's entry has; the order is that of the text.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Jwk {
    #[serde(rename = "use")]
    usage: String,
    #[serde(flatten)]
    key: Key,
    #[serde(default)]
    x5c: Vec<String>,
}

/// The public key, said once more beside the certificate.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Key {
    kty: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<String>,
}

/// Is this an entry for X.509, of a key type that we know? All others must be passed over, whatever is in them.
pub(super) fn is_root(entry: &Value) -> bool {
    let member = |name| entry.get(name).and_then(Value::as_str);
    member("use") == Some(USE) && matches!(member("kty"), Some(EC | RSA))
}

impl Jwk {
    /// The entry of a root; `None` for a kind of key that we have no entry for.
    pub(super) fn of(root: &CertificateDer<'_>) -> Option<Self> {
        let key = Key::of(leaf::parse(root)?.public_key())?;
        Some(Self { usage: USE.to_owned(), key, x5c: vec![STANDARD.encode(root)] })
    }

    /// The certificate of the entry, if there is one (X509-SVID §6.2: the first).
    pub(super) fn root(&self) -> Result<Option<CertificateDer<'static>>, &'static str> {
        let Some(first) = self.x5c.first() else { return Ok(None) };
        STANDARD.decode(first).map(|der| Some(der.into())).map_err(|_| "has an x5c that isn't base64 of a certificate")
    }

    /// Is the public key in the entry that of the certificate (RFC 7517 §4.7)? What the entry leaves out is no contradiction.
    pub(super) fn is_of(&self, root: &CertificateDer<'_>) -> bool {
        let Some(Self { key: found, .. }) = Self::of(root) else { return false };
        let same = |said: &Option<String>, found: &Option<String>| said.is_none() || said == found;
        let Key { kty, crv, x, y, n, e } = &self.key;
        *kty == found.kty
            && [(crv, &found.crv), (x, &found.x), (y, &found.y), (n, &found.n), (e, &found.e)]
                .into_iter()
                .all(|(said, found)| same(said, found))
    }
}

impl Key {
    fn of(info: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        match info.parsed().ok()? {
            PublicKey::EC(point) => {
                let [0x04, coordinates @ ..] = point.data() else { return None };
                let (x, y) = coordinates.split_at_checked(coordinates.len() / 2)?;
                let crv = Some(curve(info)?.to_owned());
                Some(Self { kty: EC.to_owned(), crv, x: number(x), y: number(y), ..Self::default() })
            }
            PublicKey::RSA(key) => {
                let (n, e) = (number(unpadded(key.modulus)), number(unpadded(key.exponent)));
                Some(Self { kty: RSA.to_owned(), n, e, ..Self::default() })
            }
            _ => None,
        }
    }
}

fn curve(info: &SubjectPublicKeyInfo<'_>) -> Option<&'static str> {
    let curve = info.algorithm.parameters.as_ref()?.as_oid().ok()?;
    [(OID_EC_P256, "P-256"), (OID_NIST_EC_P384, "P-384"), (OID_NIST_EC_P521, "P-521")]
        .into_iter()
        .find_map(|(oid, name)| (oid == curve).then_some(name))
}

fn number(bytes: &[u8]) -> Option<String> {
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// DER puts a zero before a number whose first bit is set; JWK doesn't.
fn unpadded(mut bytes: &[u8]) -> &[u8] {
    while let [0, rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}
