//! Messages between meshes that pass through other hands: signed by the sender's SVID, for one purpose.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use isthmus_core::id::SpiffeId;
use rustls::SignatureScheme;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, aws_lc_rs::ECDSA_P256_SHA256};

use crate::{
    Svid, TrustStore, bundle::MAX_ROOT, crypto_provider, leaf, refused::Refused, statement::Statement, verify::verify,
};

/// Longest payload in bytes.
pub const MAX_PAYLOAD: usize = 4 * 1024 * 1024;
/// Most certificates of a seal: a leaf, and what an authority of the user's may have between it and its root.
pub const MAX_SEAL_CHAIN: usize = 4;
/// Longest signature in bytes: ECDSA on P-256 in DER has at most 72.
pub const MAX_SEAL_SIGNATURE: usize = 80;

/// A payload, and the proof of who sent it. Nothing in it is believed before it is opened.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// What is said.
    pub payload: Vec<u8>,
    /// The sender's chain, leaf first, DER.
    pub chain: Vec<CertificateDer<'static>>,
    /// ECDSA on P-256 with SHA-256, in DER.
    pub signature: Vec<u8>,
}

/// Why a message can't be sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealFailed {
    /// Longer than anyone would open.
    #[error("a message of {0} bytes; at most {MAX_PAYLOAD} can be sealed")]
    TooLong(usize),
    /// The certificate is for a key that isn't P-256.
    #[error("only an SVID with a P-256 key can seal")]
    KeyType,
    /// The cryptographic library failed.
    #[error("sealing: {0}")]
    Crypto(rustls::Error),
}

/// Why a message isn't believed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SealRefused {
    /// More than is ever read.
    #[error("sealed message: {found} {what}; at most {limit} are allowed")]
    Oversized {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: usize,
        /// How much is allowed.
        limit: usize,
    },
    /// There is no certificate in it.
    #[error("sealed message without a certificate")]
    NoCertificate,
    /// Somebody else's certificate.
    #[error("sealed by {found}, not by {expected}")]
    OtherSender {
        /// Whose message it should be.
        expected: SpiffeId,
        /// Whose certificate it has.
        found: SpiffeId,
    },
    /// The certificate doesn't hold.
    #[error("seal: {0}")]
    Certificate(#[from] Refused),
    /// The payload or the purpose isn't what was signed, or the key isn't that of the certificate.
    #[error("the seal of {0} is broken: the message was altered, or is for another purpose")]
    Signature(SpiffeId),
}

impl Svid {
    /// Seals a message for a purpose: whoever opens it for another one is refused.
    pub fn seal(&self, purpose: &'static str, payload: Vec<u8>) -> Result<Sealed, SealFailed> {
        if payload.len() > MAX_PAYLOAD {
            return Err(SealFailed::TooLong(payload.len()));
        }
        let signer = self.certified.key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]);
        let statement = Statement::new(purpose, [payload.as_slice()]);
        let signature = signer.ok_or(SealFailed::KeyType)?.sign(statement.as_bytes()).map_err(SealFailed::Crypto)?;
        Ok(Sealed { payload, chain: self.chain().to_vec(), signature })
    }
}

impl Sealed {
    /// The payload, if it was sealed for this purpose by `expected`, whose certificate is valid at `now` by a root of its own
    /// trust domain.
    pub fn open(
        &self,
        purpose: &str,
        trusted: &TrustStore,
        expected: &SpiffeId,
        now: SystemTime,
    ) -> Result<&[u8], SealRefused> {
        self.check_size()?;
        let (leaf, intermediates) = self.chain.split_first().ok_or(SealRefused::NoCertificate)?;
        let found = leaf::workload_id(leaf)?;
        if found != *expected {
            return Err(SealRefused::OtherSender { expected: expected.clone(), found });
        }
        let algorithms = crypto_provider().signature_verification_algorithms;
        let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO));
        verify(&trusted.snapshot(), &algorithms, leaf, intermediates, KeyUsage::client_auth(), now)?;
        let statement = Statement::new(purpose, [self.payload.as_slice()]);
        EndEntityCert::try_from(leaf)
            .and_then(|leaf| leaf.verify_signature(ECDSA_P256_SHA256, statement.as_bytes(), &self.signature))
            .map_err(|_| SealRefused::Signature(found))?;
        Ok(&self.payload)
    }

    fn check_size(&self) -> Result<(), SealRefused> {
        let longest = self.chain.iter().map(|certificate| certificate.len()).max().unwrap_or(0);
        let sizes = [
            ("bytes of payload", self.payload.len(), MAX_PAYLOAD),
            ("certificates", self.chain.len(), MAX_SEAL_CHAIN),
            ("bytes of a certificate", longest, MAX_ROOT),
            ("bytes of signature", self.signature.len(), MAX_SEAL_SIGNATURE),
        ];
        match sizes.into_iter().find(|(_, found, limit)| found > limit) {
            Some((what, found, limit)) => Err(SealRefused::Oversized { what, found, limit }),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes, {} certificates)", self.payload.len(), self.chain.len())
    }
}

#[cfg(test)]
mod tests;
