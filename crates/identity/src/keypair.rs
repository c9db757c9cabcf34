//! A workload's key pair, and the request that gets it a certificate.

use std::{fmt, sync::Arc};

use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::sign::SigningKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use crate::{secret::SecretKey, tls::crypto_provider};

/// The key pair couldn't be made or used: the random generator or the cryptographic library failed.
#[derive(Debug, thiserror::Error)]
#[error("P-256 key pair: {0}")]
pub struct KeypairError(String);

/// A fresh P-256 key pair. It leaves the process only as a request to sign its public half.
pub struct Keypair(SecretKey);

impl Keypair {
    /// Makes a key pair.
    pub fn generate() -> Result<Self, KeypairError> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|e| KeypairError(e.to_string()))?;
        Ok(Self(SecretKey(pair)))
    }

    /// A PKCS #10 request in DER, with no name in it: the authority decides what the key is certified for.
    pub fn csr(&self) -> Result<Vec<u8>, KeypairError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let csr = params.serialize_request(&self.0).map_err(|e| KeypairError(e.to_string()))?;
        Ok(csr.der().to_vec())
    }

    /// The key as rustls signs with it.
    pub(crate) fn signing_key(&self) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        // rustls takes the encoding over and drops it unwiped; `Zeroizing` covers the copy that is ours.
        let der = Zeroizing::new(self.0.0.serialize_der());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(der.as_slice()));
        crypto_provider().key_provider.load_private_key(key.clone_key())
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keypair([secret])")
    }
}
