//! The decision: is the peer who its certificate says, and is that who we want?

use std::sync::Arc;

use isthmus_core::id::SpiffeId;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

use crate::{
    bundle::{Bundle, Root},
    leaf,
    refused::Refused,
    rotation::RootId,
    trust::Snapshot,
};

/// Who a client wants to find at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedPeer {
    /// Exactly this identity.
    Id(SpiffeId),
    /// Any one of these; none if there are none.
    AnyOf(Arc<[SpiffeId]>),
}

impl ExpectedPeer {
    /// Is this who is wanted?
    pub fn admits(&self, id: &SpiffeId) -> bool {
        match self {
            Self::Id(expected) => expected == id,
            Self::AnyOf(any) => any.contains(id),
        }
    }
}

impl From<SpiffeId> for ExpectedPeer {
    fn from(id: SpiffeId) -> Self {
        Self::Id(id)
    }
}

/// Verifies a chain: first who the leaf says it is, then whether a root of *that* domain vouches for it.
pub(crate) fn verify(
    trusted: &Snapshot,
    algorithms: &WebPkiSupportedAlgorithms,
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    usage: KeyUsage,
    now: UnixTime,
) -> Result<SpiffeId, Refused> {
    let id = leaf::workload_id(leaf)?;
    let roots = trusted.roots(id.trust_domain()).ok_or_else(|| Refused::UnknownDomain(id.trust_domain().clone()))?;
    let valid: Vec<&Root> = roots.iter().filter(|r| (r.valid.0..=r.valid.1).contains(&now.as_secs())).collect();
    let anchors: Vec<TrustAnchor<'_>> = valid.iter().map(|r| borrow(&r.anchor)).collect();
    // An anchor forgets how long a path its certificate allows.
    let short_enough = |path: &VerifiedPath<'_>| {
        let intermediates = path.intermediate_certificates().count();
        let allows = |root: &&&Root| root.max_intermediates.is_none_or(|max| intermediates <= max);
        let allowed = valid.iter().filter(allows).any(|root| &root.anchor == path.anchor());
        if allowed { Ok(()) } else { Err(webpki::Error::PathLenConstraintViolated) }
    };
    let path = EndEntityCert::try_from(leaf).and_then(|cert| {
        cert.verify_for_usage(algorithms.all, &anchors, intermediates, now, usage, None, Some(&short_enough)).map(drop)
    });
    match path {
        Ok(()) => Ok(id),
        Err(webpki::Error::CertNotValidYet { time, not_before }) => {
            Err(Refused::NotYet { id, begins: not_before.as_secs(), now: time.as_secs() })
        }
        Err(webpki::Error::CertExpired { time, not_after }) => {
            Err(Refused::Expired { id, ended: not_after.as_secs(), now: time.as_secs() })
        }
        Err(cause) => Err(Refused::Chain { id, cause }),
    }
}

/// The root of its own domain that a leaf stands on at this time; `None` for one that is valid on none.
pub(crate) fn root_of(
    bundle: &Bundle,
    algorithms: &WebPkiSupportedAlgorithms,
    chain: &[CertificateDer<'_>],
    now: UnixTime,
) -> Option<RootId> {
    let (leaf, intermediates) = chain.split_first()?;
    let stands = |root: &&CertificateDer<'static>| {
        let alone = Bundle { roots: vec![(*root).clone()], ..bundle.clone() };
        let snapshot = alone.check().map(|roots| Snapshot::of(alone, roots));
        let usage = KeyUsage::client_auth();
        snapshot.is_ok_and(|alone| verify(&alone, algorithms, leaf, intermediates, usage, now).is_ok())
    };
    bundle.roots.iter().find(stands).map(RootId::of)
}

/// The anchor without a copy of its bytes.
fn borrow<'a>(anchor: &'a TrustAnchor<'static>) -> TrustAnchor<'a> {
    TrustAnchor {
        subject: anchor.subject.as_ref().into(),
        subject_public_key_info: anchor.subject_public_key_info.as_ref().into(),
        name_constraints: anchor.name_constraints.as_ref().map(|c| c.as_ref().into()),
    }
}
