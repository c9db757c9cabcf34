//! Certificates that no authority of ours would sign.

use isthmus_core::id::SpiffeId;
use isthmus_identity::{Authority, Keypair, Svid};
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// A leaf for any ID, signed by this authority's root.
pub fn svid(authority: &Authority, id: &SpiffeId) -> Svid {
    let root = authority.to_pem();
    let root_key = KeyPair::from_pem(root.key.expose()).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&root.certificate, root_key).unwrap();
    let key = Keypair::generate().unwrap();
    let csr = key.csr().unwrap();
    let request = CertificateSigningRequestParams::from_der(&csr.as_slice().into()).unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::ExplicitNoCa;
    params.subject_alt_names = vec![SanType::URI(id.as_str().try_into().unwrap())];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let leaf = params.signed_by(&request.public_key, &issuer).unwrap();
    Svid::new(vec![leaf.der().clone()], &key).unwrap()
}
