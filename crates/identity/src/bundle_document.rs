//! Bundles as SPIFFE writes them: JWK sets (Trust Domain and Bundle §4, X509-SVID §6).

mod jwk;

use std::time::Duration;

use isthmus_core::id::TrustDomain;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    bundle::{BadBundle, Bundle, MAX_ROOTS},
    leaf,
};
use jwk::Jwk;

/// Longest bundle document in bytes.
pub const MAX_DOCUMENT: usize = 256 * 1024;
/// Longest text of what a JSON parser says, in characters: it may repeat the input.
const MAX_REASON: usize = 200;

/// A bundle document, read. It doesn't say whose it is: the trust domain comes from whoever asked for it (§3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The X.509 roots in it. Its sequence is 0 if the document has none.
    pub bundle: Bundle,
    /// `spiffe_sequence`.
    pub sequence: Option<u64>,
    /// `spiffe_refresh_hint`: how often to look for a newer one, in the publisher's opinion. Any value; bound it.
    pub refresh_hint: Option<Duration>,
}

/// Why a bundle document isn't taken, or can't be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadDocument {
    /// Longer than allowed.
    #[error("bundle document of {domain} has {length} bytes; at most {MAX_DOCUMENT} are allowed")]
    TooLong {
        /// Whose bundle.
        domain: TrustDomain,
        /// Its bytes.
        length: usize,
    },
    /// Not a JWK set, or a member of it has the wrong type.
    #[error("bundle document of {domain} is not a SPIFFE bundle in JSON: {fault}")]
    Json {
        /// Whose bundle.
        domain: TrustDomain,
        /// What the parser says.
        fault: String,
    },
    /// An entry for X.509 that can't be what it says.
    #[error("bundle document of {domain}: key {index} {fault}")]
    Key {
        /// Whose bundle.
        domain: TrustDomain,
        /// Position in `keys`, from 0.
        index: usize,
        /// What is wrong with it.
        fault: String,
    },
    /// The roots in it make no bundle.
    #[error(transparent)]
    Bundle(#[from] BadBundle),
}

#[derive(Serialize, Deserialize)]
struct JwkSet<T> {
    keys: Vec<T>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spiffe_sequence: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spiffe_refresh_hint: Option<u64>,
}

impl Document {
    /// The document of a bundle: always the same text for the same bundle and hint.
    pub fn of(bundle: &Bundle, refresh_hint: Duration) -> Result<String, BadDocument> {
        bundle.check()?;
        let domain = &bundle.trust_domain;
        let jwk = |(index, root)| {
            let fault = || "is neither RSA nor ECDSA on P-256, P-384 or P-521".to_owned();
            Jwk::of(root).ok_or_else(|| BadDocument::Key { domain: domain.clone(), index, fault: fault() })
        };
        let set = JwkSet {
            keys: bundle.roots.iter().enumerate().map(jwk).collect::<Result<Vec<_>, _>>()?,
            spiffe_sequence: Some(bundle.sequence),
            spiffe_refresh_hint: Some(refresh_hint.as_secs()),
        };
        let text = serde_json::to_string(&set).map_err(|e| not_json(domain, &e))?;
        if text.len() > MAX_DOCUMENT {
            return Err(BadDocument::TooLong { domain: domain.clone(), length: text.len() });
        }
        Ok(text)
    }

    /// Reads the document of a trust domain.
    ///
    /// Entries for other kinds of SVIDs, of unknown key types, or without a certificate are passed over, and so are
    /// certificates after the first of an entry, and unknown members, as the standard demands. What is for X.509 must hold:
    /// a document that can't be read as a whole isn't read in part.
    pub fn read(domain: TrustDomain, json: &[u8]) -> Result<Self, BadDocument> {
        if json.len() > MAX_DOCUMENT {
            return Err(BadDocument::TooLong { domain, length: json.len() });
        }
        let set: JwkSet<Value> = serde_json::from_slice(json).map_err(|e| not_json(&domain, &e))?;
        let mut roots = Vec::new();
        for (index, key) in set.keys.into_iter().enumerate().filter(|(_, key)| jwk::is_root(key)) {
            let bad = |fault: String| BadDocument::Key { domain: domain.clone(), index, fault };
            let jwk: Jwk = serde_json::from_value(key).map_err(|e| bad(format!("can't be read: {}", said(&e))))?;
            let Some(root) = jwk.root().map_err(|fault| bad(fault.to_owned()))? else { continue };
            // One that can't be read is the bundle's to refuse, below.
            if leaf::parse(&root).is_some() && !jwk.is_of(&root) {
                return Err(bad("isn't the key of its own certificate".to_owned()));
            }
            if !roots.contains(&root) {
                roots.push(root);
            }
            if roots.len() > MAX_ROOTS {
                break;
            }
        }
        let bundle = Bundle { trust_domain: domain, roots, sequence: set.spiffe_sequence.unwrap_or(0) };
        bundle.check()?;
        let refresh_hint = set.spiffe_refresh_hint.map(Duration::from_secs);
        Ok(Self { bundle, sequence: set.spiffe_sequence, refresh_hint })
    }
}

fn not_json(domain: &TrustDomain, error: &serde_json::Error) -> BadDocument {
    BadDocument::Json { domain: domain.clone(), fault: said(error) }
}

fn said(error: &serde_json::Error) -> String {
    error.to_string().chars().take(MAX_REASON).collect()
}

#[cfg(test)]
mod tests;
