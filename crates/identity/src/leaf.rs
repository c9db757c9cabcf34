//! Reading the identity out of a leaf certificate.

use isthmus_core::{
    id::SpiffeId,
    telemetry::{Owned, Workload},
};
use rustls_pki_types::CertificateDer;
use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    x509::AttributeTypeAndValue,
};

use crate::refused::Refused;

/// The identity of the peer of a connection whose handshake a verifier of this crate has let through; the chain is
/// rustls' `peer_certificates()`. `None` for a peer that showed no certificate.
///
/// This reads and checks the leaf's form only: for a chain that nobody has verified it proves nothing.
pub fn peer_id(chain: &[CertificateDer<'_>]) -> Option<SpiffeId> {
    workload_id(chain.first()?).ok()
}

/// The same peer as telemetry names it: beside its identity the pod and its owner, if an authority of this kind of mesh has put
/// them into the leaf ([`crate::Authority::issue_for`]). Nobody may be let in by them.
pub fn peer_workload(chain: &[CertificateDer<'_>]) -> Option<Workload> {
    let leaf = chain.first()?;
    let workload = Workload::of(&workload_id(leaf).ok()?);
    Some(match parse(leaf).as_ref().and_then(owned) {
        Some(owned) => workload.with(owned),
        None => workload,
    })
}

/// The organization in the subject of what an authority of ours has signed.
pub(crate) const ORGANIZATION: &str = "Isthmus";

/// The pod and its owner: `O=Isthmus`, `CN=<pod>`, `OU=<Kind>/<name>`, each once.
fn owned(cert: &X509Certificate<'_>) -> Option<Owned> {
    let subject = cert.subject();
    let organization = only(subject.iter_organization())?;
    let (pod, owner) = (only(subject.iter_common_name())?, only(subject.iter_organizational_unit())?);
    let (kind, name) = owner.split_once('/').filter(|_| organization == ORGANIZATION)?;
    Owned::new(kind, name, pod)
}

/// The text of an attribute that is there once.
fn only<'a>(mut values: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>) -> Option<&'a str> {
    let value = values.next()?.as_str().ok()?;
    values.next().is_none().then_some(value)
}

/// The one SPIFFE ID of a leaf that has the form of an X509-SVID of a workload.
pub(crate) fn workload_id(leaf: &CertificateDer<'_>) -> Result<SpiffeId, Refused> {
    let cert = parse(leaf).ok_or(Refused::Unreadable)?;
    if cert.basic_constraints().map_err(|_| Refused::Unreadable)?.is_some_and(|e| e.value.ca) {
        return Err(Refused::LeafIsCa);
    }
    match cert.key_usage().map_err(|_| Refused::Unreadable)? {
        Some(usage) if usage.value.key_cert_sign() || usage.value.crl_sign() => return Err(Refused::LeafIsCa),
        Some(usage) if usage.value.digital_signature() => {}
        _ => return Err(Refused::NoDigitalSignature),
    }
    let uris = uri_names(&cert).ok_or(Refused::Unreadable)?;
    match uris.as_slice() {
        [] => Err(Refused::NoUri),
        [uri] => Ok(uri.parse()?),
        several => Err(Refused::ManyUris(several.len())),
    }
}

/// The certificate, if it is one, with every extension readable and nothing after it.
pub(crate) fn parse<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    let (rest, cert) = x509_parser::parse_x509_certificate(der).ok()?;
    let readable = |e: &ParsedExtension<'_>| !matches!(e, ParsedExtension::ParseError { .. });
    (rest.is_empty() && cert.extensions().iter().all(|e| readable(e.parsed_extension()))).then_some(cert)
}

/// Every URI name; `None` when a name can't be read, for it might have been a second URI.
pub(crate) fn uri_names<'a>(cert: &'a X509Certificate<'_>) -> Option<Vec<&'a str>> {
    let names = cert.subject_alternative_name().ok()?.map(|e| e.value.general_names.as_slice()).unwrap_or_default();
    let mut uris = Vec::new();
    for name in names {
        match name {
            GeneralName::URI(uri) => uris.push(*uri),
            GeneralName::Invalid(..) => return None,
            _ => {}
        }
    }
    Some(uris)
}
