//! The protocol's form of signed bundles and sealed messages, and what is sealed for what.

use std::time::{Duration, SystemTime};

use isthmus_api::federation::v1 as proto;
use isthmus_core::id::SpiffeId;
use isthmus_identity::{
    BundleRefused, Chain, MAX_LINKS, Refused, RootId, RootSignature, SealRefused, Sealed, SignedBundle, TrustStore,
};

use crate::{
    catalog::wire::{self, BadMessage},
    limits::MAX_CLOCK_DIFFERENCE,
};

/// What a catalog is sealed for.
pub const CATALOG: &str = "isthmus federation catalog v1";
/// What a sign of life is sealed for.
pub const HEARTBEAT: &str = "isthmus federation heartbeat v1";
/// What an acknowledgement is sealed for.
pub const ACKNOWLEDGEMENT: &str = "isthmus federation acknowledgement v1";
/// What the state of a mesh's roots is sealed for.
pub const CUSTODY: &str = "isthmus federation custody v1";
/// What an introduction is sealed for.
pub const INTRODUCTION: &str = "isthmus federation introduction v1";

/// Why a chain of bundles can't be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BadChain {
    /// It isn't of the contract.
    #[error(transparent)]
    Message(#[from] BadMessage),
    /// It is beyond the limits.
    #[error(transparent)]
    Bundle(#[from] BundleRefused),
}

/// A chain for the wire.
pub fn chain(chain: &Chain) -> Vec<proto::SignedBundle> {
    chain.links().iter().map(signed_bundle).collect()
}

/// A chain from the wire. Nothing of it is verified yet.
pub fn read_chain(links: Vec<proto::SignedBundle>) -> Result<Chain, BadChain> {
    wire::within("bundles of a chain", links.len(), MAX_LINKS)?;
    let links = links.into_iter().map(read_signed_bundle).collect::<Result<_, _>>()?;
    Ok(Chain::new(links)?)
}

/// A signed bundle for the wire.
pub fn signed_bundle(bundle: &SignedBundle) -> proto::SignedBundle {
    let signature = |s: &RootSignature| proto::RootSignature {
        root: s.root.as_bytes().to_vec().into(),
        signature: s.signature.clone().into(),
    };
    proto::SignedBundle {
        trust_domain: bundle.trust_domain.to_string(),
        document: bundle.document.clone().into(),
        signatures: bundle.signatures.iter().map(signature).collect(),
    }
}

/// A signed bundle from the wire.
pub fn read_signed_bundle(message: proto::SignedBundle) -> Result<SignedBundle, BadMessage> {
    let signature = |s: proto::RootSignature| {
        let root = RootId::from_bytes(&s.root);
        let length = s.root.len();
        let bad = || wire::bad("signatures.root", &format!("{length} bytes"), "must be a SHA-256, 32 bytes");
        Ok(RootSignature { root: root.ok_or_else(bad)?, signature: s.signature.into() })
    };
    Ok(SignedBundle {
        trust_domain: wire::trust_domain("trust_domain", &message.trust_domain)?,
        document: message.document.into(),
        signatures: message.signatures.into_iter().map(signature).collect::<Result<_, BadMessage>>()?,
    })
}

/// Something sealed for the wire.
pub fn sealed(sealed: Sealed) -> proto::Sealed {
    proto::Sealed {
        payload: sealed.payload.into(),
        chain: sealed.chain.iter().map(|certificate| certificate.to_vec().into()).collect(),
        signature: sealed.signature.into(),
    }
}

/// Something sealed from the wire.
pub fn read_sealed(message: proto::Sealed) -> Sealed {
    Sealed {
        payload: message.payload.into(),
        chain: message.chain.into_iter().map(|certificate| Vec::from(certificate).into()).collect(),
        signature: message.signature.into(),
    }
}

/// Opens a seal. A certificate that begins, or ended, within [`MAX_CLOCK_DIFFERENCE`] of now holds: clocks of two meshes
/// differ, and what is in the seal is bound by its sequence anyway.
pub fn open<'a>(
    sealed: &'a Sealed,
    purpose: &str,
    trusted: &TrustStore,
    expected: &SpiffeId,
    now: SystemTime,
) -> Result<&'a [u8], SealRefused> {
    let refused = match sealed.open(purpose, trusted, expected, now) {
        Err(SealRefused::Certificate(refused)) => refused,
        outcome => return outcome,
    };
    let (moment, off) = match refused {
        Refused::NotYet { begins, now, .. } => (begins, begins.saturating_sub(now)),
        Refused::Expired { ended, now, .. } => (ended, now.saturating_sub(ended)),
        _ => return Err(SealRefused::Certificate(refused)),
    };
    let moment = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(moment));
    match moment.filter(|_| off <= MAX_CLOCK_DIFFERENCE.as_secs()) {
        Some(moment) => sealed.open(purpose, trusted, expected, moment),
        None => Err(SealRefused::Certificate(refused)),
    }
}
