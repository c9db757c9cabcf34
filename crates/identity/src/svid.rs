//! A workload's certificate with its key, and the cell that the present one lives in.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwapOption;
use isthmus_core::id::SpiffeId;
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;

use crate::{BACKDATE, Refused, keypair::Keypair, leaf};

/// Why a chain and a key pair make no SVID.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadSvid {
    /// The chain has no certificate.
    #[error("the certificate chain is empty")]
    EmptyChain,
    /// The first certificate isn't that of a workload.
    #[error("the chain's first certificate: {0}")]
    Leaf(#[from] Refused),
    /// The certificate is for another key.
    #[error("the certificate is not for this key pair: {0}")]
    Key(rustls::Error),
}

/// A SPIFFE Verifiable Identity Document: who the workload is, and the means to prove it.
pub struct Svid {
    id: SpiffeId,
    not_before: SystemTime,
    not_after: SystemTime,
    pub(crate) certified: Arc<CertifiedKey>,
}

impl Svid {
    /// Joins the chain that an authority has issued (leaf first, DER) with the key pair that it was issued for.
    pub fn new(chain: Vec<CertificateDer<'static>>, keypair: &Keypair) -> Result<Self, BadSvid> {
        let leaf = chain.first().ok_or(BadSvid::EmptyChain)?;
        let id = leaf::workload_id(leaf)?;
        let parsed = leaf::parse(leaf).ok_or(Refused::Unreadable)?;
        let (not_before, not_after) = validity(&parsed);
        let certified = CertifiedKey::new(chain, keypair.signing_key().map_err(BadSvid::Key)?);
        certified.keys_match().map_err(BadSvid::Key)?;
        Ok(Self { id, not_before, not_after, certified: Arc::new(certified) })
    }

    /// Whose it is.
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// The chain, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// The first moment of validity.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// The last moment of validity.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// When to ask for the next one: at two thirds of its life, spread by `jitter` (0 to 1, drawn by the caller)
    /// over a tenth of the life round that point, so that a fleet started together doesn't renew together. The life counts from
    /// the issuance: [`BACKDATE`] isn't part of it, or a short-lived certificate would be due before it was made.
    pub fn renew_at(&self, jitter: f64) -> SystemTime {
        let issued = self.not_before.checked_add(BACKDATE).filter(|issued| *issued < self.not_after);
        let begin = issued.unwrap_or(self.not_before);
        let life = self.not_after.duration_since(begin).unwrap_or(Duration::ZERO);
        let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.5 };
        begin + life.mul_f64(2.0 / 3.0 + (jitter - 0.5) / 10.0)
    }
}

/// The validity of a certificate; moments before 1970 count as 1970.
pub(crate) fn validity(cert: &x509_parser::certificate::X509Certificate<'_>) -> (SystemTime, SystemTime) {
    let moment = |t: x509_parser::time::ASN1Time| {
        SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(t.timestamp()).unwrap_or(0))
    };
    (moment(cert.validity().not_before), moment(cert.validity().not_after))
}

impl fmt::Debug for Svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Svid")
            .field("id", &self.id)
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// Holds a process's present SVID. Every handshake reads it, so a renewal needs no new configuration.
#[derive(Debug, Default)]
pub struct SvidCell(ArcSwapOption<Svid>);

impl SvidCell {
    /// An empty cell: until [`SvidCell::set`] a client shows no certificate and a server refuses handshakes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the SVID for the handshakes that begin from now on.
    pub fn set(&self, svid: Svid) {
        self.0.store(Some(Arc::new(svid)));
    }

    /// The present SVID.
    pub fn get(&self) -> Option<Arc<Svid>> {
        self.0.load_full()
    }
}

#[cfg(test)]
mod tests;
