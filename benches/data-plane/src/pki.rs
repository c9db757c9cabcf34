//! Certificates for the peers, of the kind that the mesh has: P-256, one root, a leaf for each side.

use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

/// The name in the callee's certificate.
pub(crate) const CALLEE_NAME: &str = "callee.shop";
/// The name in the caller's certificate.
pub(crate) const CALLER_NAME: &str = "caller.shop";

/// Writes `ca.pem`, and for both sides `<side>.pem` (the certificate), `<side>.key`, and `<side>.both.pem`.
pub(crate) fn write(dir: &Path) -> anyhow::Result<()> {
    let mut root = CertificateParams::new(Vec::new())?;
    root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    root.distinguished_name.push(DnType::CommonName, "benchmark root");
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let issuer = CertifiedIssuer::self_signed(root, KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)?;
    fs::write(dir.join("ca.pem"), issuer.pem())?;
    for (side, name) in [("caller", CALLER_NAME), ("callee", CALLEE_NAME)] {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut leaf = CertificateParams::new(vec![name.into()])?;
        // A leaf named like its root would be taken for self-signed.
        leaf.distinguished_name.push(DnType::CommonName, name);
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        leaf.use_authority_key_identifier_extension = true;
        let certificate = leaf.signed_by(&key, &issuer)?.pem();
        let key = key.serialize_pem();
        fs::write(dir.join(format!("{side}.pem")), &certificate)?;
        fs::write(dir.join(format!("{side}.key")), &key)?;
        fs::write(dir.join(format!("{side}.both.pem")), certificate + &key)?;
    }
    Ok(())
}
