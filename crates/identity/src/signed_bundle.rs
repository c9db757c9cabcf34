//! A bundle document with the signatures of its mesh's roots: whoever carries it can't change it.

use std::{fmt, time::Duration};

use isthmus_core::id::TrustDomain;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use webpki::{RawPublicKeyEntity, aws_lc_rs as algorithm};

use crate::{
    authority::{Authority, AuthorityError},
    bundle::{Bundle, MAX_ROOTS},
    bundle_document::{BadDocument, Document, MAX_DOCUMENT},
    held_bundle::BundleRefused,
    leaf,
    rotation::RootId,
    statement::Statement,
};

/// Longest signature of a root in bytes: that of an RSA key of 8192 bits.
pub const MAX_ROOT_SIGNATURE: usize = 1024;
/// Most links of a chain: those of ten rotations.
pub const MAX_LINKS: usize = 32;
/// Most bytes of a chain, documents and signatures together: it is kept in the status of one object.
pub const MAX_CHAIN_BYTES: usize = 512 * 1024;

const PURPOSE: &str = "bundle";
/// What a root may sign with: one algorithm for each kind of key, as [`Authority`] does.
static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithm::ECDSA_P256_SHA256,
    algorithm::ECDSA_P384_SHA384,
    algorithm::ECDSA_P521_SHA512,
    algorithm::ED25519,
    algorithm::RSA_PKCS1_2048_8192_SHA256,
];

/// A bundle document and who vouches for it. Nothing in it is believed before a [`HeldBundle`] has taken it.
///
/// [`HeldBundle`]: crate::HeldBundle
#[derive(Clone, PartialEq, Eq)]
pub struct SignedBundle {
    /// Whose bundle.
    pub trust_domain: TrustDomain,
    /// The document, byte for byte as it was signed: see [`Document`].
    pub document: Vec<u8>,
    /// One for each root that signed.
    pub signatures: Vec<RootSignature>,
}

/// A root's signature over a bundle document.
#[derive(Clone, PartialEq, Eq)]
pub struct RootSignature {
    /// Whose key made it.
    pub root: RootId,
    /// The signature, as certificates have it (ECDSA in DER).
    pub signature: Vec<u8>,
}

/// Why a bundle isn't signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignFailed {
    /// The bundle can't be written down.
    #[error(transparent)]
    Document(#[from] BadDocument),
    /// A root of another domain can't vouch for this one.
    #[error("a root of {signer} can't sign the bundle of {domain}")]
    ForeignSigner {
        /// Whose bundle.
        domain: TrustDomain,
        /// Whose root.
        signer: TrustDomain,
    },
    /// Nobody would take an unsigned bundle.
    #[error("the bundle of {0} needs a root to sign it")]
    NoSigner(TrustDomain),
    /// A root's key can't sign.
    #[error(transparent)]
    Key(#[from] AuthorityError),
}

/// A mesh's signed bundles, oldest first: who holds any of them finds the way to the newest.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Chain(Vec<SignedBundle>);

impl SignedBundle {
    /// Writes a bundle down, and has it signed by each of these: all of the mesh's roots, so that a peer which holds any of
    /// them can follow.
    pub fn sign(bundle: &Bundle, refresh_hint: Duration, signers: &[&Authority]) -> Result<Self, SignFailed> {
        let domain = &bundle.trust_domain;
        if signers.is_empty() {
            return Err(SignFailed::NoSigner(domain.clone()));
        }
        let document = Document::of(bundle, refresh_hint)?.into_bytes();
        let statement = statement(domain, &document);
        let sign = |signer: &&Authority| {
            if signer.trust_domain() != domain {
                let signer = signer.trust_domain().clone();
                return Err(SignFailed::ForeignSigner { domain: domain.clone(), signer });
            }
            Ok(RootSignature { root: signer.root(), signature: signer.sign(&statement)? })
        };
        let signatures = signers.iter().map(sign).collect::<Result<_, _>>()?;
        Ok(Self { trust_domain: domain.clone(), document, signatures })
    }

    /// Has one of these roots signed this document? `counts` says which may.
    pub(crate) fn vouched_by<'a>(
        &self,
        roots: impl IntoIterator<Item = &'a CertificateDer<'static>>,
        counts: impl Fn(&CertificateDer<'static>) -> bool,
    ) -> bool {
        let statement = statement(&self.trust_domain, &self.document);
        roots.into_iter().filter(|root| counts(root)).any(|root| {
            let id = RootId::of(root);
            self.signatures.iter().filter(|s| s.root == id).any(|s| holds(root, &statement, &s.signature))
        })
    }

    /// Is it within the limits? Looked at before anything costs time.
    pub(crate) fn check_size(&self) -> Result<(), BundleRefused> {
        let oversized = |what, found, limit| {
            Err(BundleRefused::Oversized { domain: self.trust_domain.clone(), what, found, limit })
        };
        let longest = self.signatures.iter().map(|s| s.signature.len()).max().unwrap_or(0);
        if self.document.len() > MAX_DOCUMENT {
            oversized("bytes of a document", self.document.len(), MAX_DOCUMENT)
        } else if self.signatures.len() > MAX_ROOTS {
            oversized("signatures", self.signatures.len(), MAX_ROOTS)
        } else if longest > MAX_ROOT_SIGNATURE {
            oversized("bytes of a signature", longest, MAX_ROOT_SIGNATURE)
        } else {
            Ok(())
        }
    }

    fn bytes(&self) -> usize {
        self.signatures.iter().map(|s| s.signature.len()).fold(self.document.len(), usize::saturating_add)
    }
}

impl Chain {
    /// A chain as it was sent or kept.
    pub fn new(links: Vec<SignedBundle>) -> Result<Self, BundleRefused> {
        let chain = Self(links);
        let Some(SignedBundle { trust_domain: domain, .. }) = chain.0.first().cloned() else { return Ok(chain) };
        chain.0.iter().try_for_each(SignedBundle::check_size)?;
        let (links, bytes) = (chain.0.len(), chain.bytes());
        if links > MAX_LINKS {
            return Err(BundleRefused::Oversized { domain, what: "links of a chain", found: links, limit: MAX_LINKS });
        }
        if bytes > MAX_CHAIN_BYTES {
            let what = "bytes of a chain";
            return Err(BundleRefused::Oversized { domain, what, found: bytes, limit: MAX_CHAIN_BYTES });
        }
        Ok(chain)
    }

    /// Adds the newest. The oldest give way when there are too many, and who held no later one has to be invited anew.
    pub fn push(&mut self, newest: SignedBundle) {
        self.0.push(newest);
        while self.0.len() > 1 && (self.0.len() > MAX_LINKS || self.bytes() > MAX_CHAIN_BYTES) {
            self.0.remove(0);
        }
    }

    /// Its links, oldest first.
    pub fn links(&self) -> &[SignedBundle] {
        &self.0
    }

    /// The newest one.
    pub fn newest(&self) -> Option<&SignedBundle> {
        self.0.last()
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(SignedBundle::bytes).fold(0, usize::saturating_add)
    }
}

fn statement(domain: &TrustDomain, document: &[u8]) -> Statement {
    Statement::new(PURPOSE, [domain.as_str().as_bytes(), document])
}

fn holds(root: &CertificateDer<'_>, statement: &Statement, signature: &[u8]) -> bool {
    let Some(cert) = leaf::parse(root) else { return false };
    let key = SubjectPublicKeyInfoDer::from(cert.public_key().raw);
    RawPublicKeyEntity::try_from(&key).is_ok_and(|key| {
        ALGORITHMS.iter().any(|alg| key.verify_signature(*alg, statement.as_bytes(), signature).is_ok())
    })
}

impl fmt::Debug for SignedBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.document.len();
        write!(f, "SignedBundle({}, {bytes} bytes, by {:?})", self.trust_domain, self.signatures)
    }
}

impl fmt::Debug for RootSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.root, f)
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

#[cfg(test)]
mod tests;
