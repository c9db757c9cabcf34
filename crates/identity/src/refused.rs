//! Why a peer's certificate was refused.

use isthmus_core::id::{InvalidId, SpiffeId, TrustDomain};
use rustls::{CertificateError, OtherError};

/// The reason why a peer's certificate was refused. The peer itself is told nothing but `certificate_unknown`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The leaf isn't an X.509 certificate, or one of its extensions can't be read.
    #[error("the peer's certificate can't be read")]
    Unreadable,
    /// The leaf has no URI among its subject alternative names.
    #[error("the peer's certificate has no URI name, so no SPIFFE ID")]
    NoUri,
    /// The leaf has several URIs, so no single identity (X509-SVID §2).
    #[error("the peer's certificate has {0} URI names; a SPIFFE certificate has exactly one")]
    ManyUris(usize),
    /// The leaf's URI isn't a SPIFFE ID of a workload.
    #[error("the peer's certificate names no workload: {0}")]
    InvalidId(#[from] InvalidId),
    /// The leaf is a CA or may sign certificates or CRLs (X509-SVID §4.1, §4.3).
    #[error("the peer showed a CA certificate as its own")]
    LeafIsCa,
    /// The leaf's key usage lacks `digitalSignature` (X509-SVID §4.3).
    #[error("the peer's certificate may not be used for signatures")]
    NoDigitalSignature,
    /// No roots are held for the trust domain that the leaf names.
    #[error("trust domain {0} is not trusted")]
    UnknownDomain(TrustDomain),
    /// The certificate isn't valid yet by this clock.
    #[error("the certificate of {id} begins {}: set the clocks of both nodes by NTP", apart("ahead of", *begins, *now))]
    NotYet {
        /// Who the peer says that it is.
        id: SpiffeId,
        /// Its first moment, in Unix seconds.
        begins: u64,
        /// This clock, in Unix seconds.
        now: u64,
    },
    /// The certificate is over by this clock.
    #[error("the certificate of {id} ended {}: the peer couldn't renew it, or one of the two clocks is wrong", apart("before", *now, *ended))]
    Expired {
        /// Who the peer says that it is.
        id: SpiffeId,
        /// Its last moment, in Unix seconds.
        ended: u64,
        /// This clock, in Unix seconds.
        now: u64,
    },
    /// No path leads from the leaf to a root of its own trust domain, for this purpose.
    #[error("the certificate of {id} doesn't stand on a root of its trust domain: {cause}")]
    Chain {
        /// Who the peer says that it is.
        id: SpiffeId,
        /// What path building found.
        cause: webpki::Error,
    },
    /// The peer is who it says, but not who was called.
    #[error("the peer is {0}, which is not who was called")]
    Unexpected(SpiffeId),
}

fn apart(relation: &str, later: u64, earlier: u64) -> String {
    format!("{} s {relation} this clock", later.saturating_sub(earlier))
}

impl Refused {
    /// The reason inside an error of a handshake, if a verifier of this crate ended it.
    pub fn of(error: &rustls::Error) -> Option<&Self> {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => inner.downcast_ref(),
            _ => None,
        }
    }

    /// The same for the error that a TLS stream gives.
    pub fn of_io(error: &std::io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref::<rustls::Error>().and_then(Self::of)
    }

    /// What the error of a TLS stream says. rustls has no words for a verifier's own reasons: they are put in their place.
    pub fn words(error: &std::io::Error) -> String {
        Self::of_io(error).map_or_else(|| error.to_string(), ToString::to_string)
    }

    /// Is it a matter of time: of a clock, or of a renewal that has failed?
    pub fn is_of_time(&self) -> bool {
        matches!(self, Self::NotYet { .. } | Self::Expired { .. })
    }
}

impl From<Refused> for rustls::Error {
    fn from(refused: Refused) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(std::sync::Arc::new(refused))))
    }
}
