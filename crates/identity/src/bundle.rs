//! A trust bundle: the roots of one trust domain.

use isthmus_core::id::TrustDomain;
use rustls_pki_types::{CertificateDer, TrustAnchor, pem::PemObject};

use crate::leaf;

/// Most trust domains that a store holds.
pub const MAX_DOMAINS: usize = 1024;
/// Most roots of one trust domain: old and new ones during a rotation, with room.
pub const MAX_ROOTS: usize = 16;
/// Longest root certificate in bytes of DER.
pub const MAX_ROOT: usize = 16 * 1024;

/// The roots of one trust domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Whose roots these are.
    pub trust_domain: TrustDomain,
    /// X.509 certificates, DER.
    pub roots: Vec<CertificateDer<'static>>,
    /// Grows with each change (`spiffe_sequence`).
    pub sequence: u64,
}

/// Why a bundle isn't taken. The store keeps what it had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadBundle {
    /// The text isn't PEM certificates.
    #[error("bundle of {0}: not PEM certificates")]
    Pem(TrustDomain),
    /// Without a root nothing could be verified; leave the domain out to distrust it.
    #[error("bundle of {0} has no roots")]
    Empty(TrustDomain),
    /// More roots than allowed.
    #[error("bundle of {domain} has {found} roots; at most {MAX_ROOTS} are allowed")]
    TooManyRoots {
        /// Whose bundle.
        domain: TrustDomain,
        /// Roots given.
        found: usize,
    },
    /// More trust domains than allowed.
    #[error("{0} trust domains; at most {MAX_DOMAINS} are allowed")]
    TooManyDomains(usize),
    /// Two bundles of one trust domain.
    #[error("two bundles of {0}; merge their roots into one")]
    Duplicate(TrustDomain),
    /// The sequence is lower than that of the bundle held: it was overtaken.
    #[error("bundle of {domain} has sequence {given}, but {held} is held; the newer one stays")]
    Overtaken {
        /// Whose bundle.
        domain: TrustDomain,
        /// The sequence held.
        held: u64,
        /// The sequence given.
        given: u64,
    },
    /// A root is too long, isn't a certificate, isn't a CA, or names another trust domain.
    #[error("root {index} of {domain} {fault}")]
    Root {
        /// Whose bundle.
        domain: TrustDomain,
        /// Position in the bundle, from 0.
        index: usize,
        /// What is wrong with it.
        fault: &'static str,
    },
}

/// A root, with what path building doesn't look at in an anchor: its validity and its path length constraint.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    pub(crate) anchor: TrustAnchor<'static>,
    /// Unix seconds, inclusive.
    pub(crate) valid: (u64, u64),
    /// Most CA certificates between the root and a leaf.
    pub(crate) max_intermediates: Option<usize>,
}

impl Bundle {
    /// Reads concatenated PEM certificates; other PEM blocks are passed over.
    pub fn from_pem(trust_domain: TrustDomain, pem: &str, sequence: u64) -> Result<Self, BadBundle> {
        let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        match roots {
            Ok(roots) if roots.is_empty() => Err(BadBundle::Empty(trust_domain)),
            Ok(roots) => Ok(Self { trust_domain, roots, sequence }),
            Err(_) => Err(BadBundle::Pem(trust_domain)),
        }
    }

    /// The roots as concatenated PEM certificates.
    pub fn to_pem(&self) -> String {
        self.roots.iter().map(|root| pem_certificate(root)).collect()
    }

    /// Checks every root.
    pub(crate) fn check(&self) -> Result<Vec<Root>, BadBundle> {
        let domain = &self.trust_domain;
        match self.roots.len() {
            0 => return Err(BadBundle::Empty(domain.clone())),
            found if found > MAX_ROOTS => return Err(BadBundle::TooManyRoots { domain: domain.clone(), found }),
            _ => {}
        }
        let check = |(index, der)| {
            check_root(domain, der).map_err(|fault| BadBundle::Root { domain: domain.clone(), index, fault })
        };
        self.roots.iter().enumerate().map(check).collect()
    }
}

fn check_root(domain: &TrustDomain, der: &CertificateDer<'static>) -> Result<Root, &'static str> {
    if der.len() > MAX_ROOT {
        return Err("is longer than 16 KiB");
    }
    let cert = leaf::parse(der).ok_or("is not a readable certificate")?;
    let constraints = cert.basic_constraints().ok().flatten().filter(|e| e.value.ca).ok_or("is not a CA")?.value;
    let max_intermediates = constraints.path_len_constraint.map(|max| usize::try_from(max).unwrap_or(usize::MAX));
    // A root needs no name, but one that has a name is of the domain that it names (X509-SVID §3.1).
    let uris = leaf::uri_names(&cert).ok_or("has an unreadable name")?;
    if uris.iter().any(|uri| uri.strip_prefix("spiffe://") != Some(domain.as_str())) {
        return Err("names another trust domain");
    }
    let seconds = |t: x509_parser::time::ASN1Time| u64::try_from(t.timestamp()).unwrap_or(0);
    let valid = (seconds(cert.validity().not_before), seconds(cert.validity().not_after));
    let anchor = webpki::anchor_from_trusted_cert(der).map_err(|_| "can't serve as a trust anchor")?.to_owned();
    Ok(Root { anchor, valid, max_intermediates })
}

/// One certificate in PEM.
pub(crate) fn pem_certificate(der: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    let encoded = base64(der);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        let _ = writeln!(text, "{line}");
        rest = more;
    }
    text + "-----END CERTIFICATE-----\n"
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
