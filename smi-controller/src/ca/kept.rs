//! What stays from root to root: the bundles that were published, and the key of the tokens.

use std::{fmt, time::Duration};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::{Engine, prelude::BASE64_STANDARD};
use isthmus_core::id::TrustDomain;
use isthmus_identity::{Authority, Bundle, Chain, Document, RootId, RootSignature, SignFailed, SignedBundle};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::compile::TokenKey;

/// How often those who read the bundle elsewhere should look for a newer one. Peers hear of it at once, by the hub.
const REFRESH_HINT: Duration = Duration::from_secs(300);
/// Bytes of the key of the tokens.
const TOKEN_KEY: usize = 32;

/// The key of the names by which other meshes know pods. It isn't a root's: names outlive roots.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TokenSecret(Zeroizing<[u8; TOKEN_KEY]>);

impl TokenSecret {
    /// A new one. `None`: the system has no randomness.
    pub(crate) fn generate() -> Option<Self> {
        let mut bytes = Zeroizing::new([0; TOKEN_KEY]);
        SystemRandom::new().fill(bytes.as_mut()).ok()?;
        Some(Self(bytes))
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// For a Secret alone.
    pub(super) fn expose(&self) -> &[u8] {
        &*self.0
    }

    pub(crate) fn key(&self) -> TokenKey {
        TokenKey::new(&*self.0)
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// The bundles published so far, each signed by the roots in it: peers find the way from any of them to the newest.
pub(super) fn publish(mut chain: Chain, bundle: &Bundle, roots: &[&Authority]) -> Result<Chain, SignFailed> {
    let newest = chain.newest().and_then(|link| Document::read(link.trust_domain.clone(), &link.document).ok());
    if newest.and_then(|document| document.sequence) != Some(bundle.sequence) {
        chain.push(SignedBundle::sign(bundle, REFRESH_HINT, roots)?);
    }
    Ok(chain)
}

#[derive(Serialize, Deserialize)]
struct Link {
    document: String,
    signatures: Vec<Signature>,
}

#[derive(Serialize, Deserialize)]
struct Signature {
    root: String,
    signature: String,
}

/// A chain as JSON.
pub(super) fn write(chain: &Chain) -> String {
    let signature = |s: &RootSignature| Signature {
        root: BASE64_STANDARD.encode(s.root.as_bytes()),
        signature: BASE64_STANDARD.encode(&s.signature),
    };
    let link = |link: &SignedBundle| Link {
        document: String::from_utf8_lossy(&link.document).into_owned(),
        signatures: link.signatures.iter().map(signature).collect(),
    };
    let links: Vec<Link> = chain.links().iter().map(link).collect();
    // Texts can't fail to become JSON.
    serde_json::to_string(&links).unwrap_or_default()
}

/// Reads what [`write`] wrote. `Err`: what is wrong with it.
pub(super) fn read(domain: &TrustDomain, json: &str) -> Result<Chain, String> {
    let links: Vec<Link> = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let signature = |s: &Signature| {
        let root = BASE64_STANDARD.decode(&s.root).ok().and_then(|bytes| RootId::from_bytes(&bytes));
        let signature = BASE64_STANDARD.decode(&s.signature).ok();
        let (root, signature) = root.zip(signature).ok_or("has a signature that isn't base64")?;
        Ok(RootSignature { root, signature })
    };
    let link = |link: Link| {
        let signatures = link.signatures.iter().map(signature).collect::<Result<_, String>>()?;
        Ok(SignedBundle { trust_domain: domain.clone(), document: link.document.into_bytes(), signatures })
    };
    let links = links.into_iter().map(link).collect::<Result<_, String>>()?;
    Chain::new(links).map_err(|error| error.to_string())
}
