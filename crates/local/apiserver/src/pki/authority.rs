//! One certificate authority and the leaves that it issues.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

use super::PkiError;
use super::files::Folder;

/// Years that a certificate is good for: it lives in a development cluster and is not rotated.
const YEARS: i16 = 10;

/// A certificate and its private key, both PEM. `Debug` shows neither.
#[derive(Clone)]
pub struct KeyPairPem {
    /// The certificate chain.
    pub certificate: String,
    /// The PKCS#8 private key. A secret.
    pub key: String,
}

impl std::fmt::Debug for KeyPairPem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyPairPem").finish_non_exhaustive()
    }
}

/// What a leaf certificate shall say.
pub(super) struct Leaf<'a> {
    name: &'a str,
    organizations: &'a [&'a str],
    dns_names: &'a [String],
    addresses: &'a [IpAddr],
    usage: ExtendedKeyUsagePurpose,
}

impl<'a> Leaf<'a> {
    pub(super) fn server(name: &'a str, dns_names: &'a [String], addresses: &'a [IpAddr]) -> Self {
        Self { name, organizations: &[], dns_names, addresses, usage: ExtendedKeyUsagePurpose::ServerAuth }
    }

    pub(super) fn client(name: &'a str, organizations: &'a [&'a str]) -> Self {
        Self { name, organizations, dns_names: &[], addresses: &[], usage: ExtendedKeyUsagePurpose::ClientAuth }
    }
}

pub(super) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn load_or_create(folder: &Folder, file: &str, name: &str) -> Result<Self, PkiError> {
        let key = folder.key(&format!("{file}.key"))?;
        let pem = folder.text(&format!("{file}.crt"), || self_signed(name, &key))?;
        let issuer = Issuer::from_ca_cert_pem(&pem, key).map_err(|_| folder.damaged(&format!("{file}.crt")))?;
        Ok(Self { pem, issuer })
    }

    pub(super) fn certificate_pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn issue(&self, leaf: &Leaf<'_>) -> Result<KeyPairPem, PkiError> {
        let failed = |source| PkiError::Issue { name: leaf.name.to_owned(), source };
        let mut params = CertificateParams::new(leaf.dns_names.to_vec()).map_err(failed)?;
        params.subject_alt_names.extend(leaf.addresses.iter().copied().map(SanType::IpAddress));
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, leaf.name);
        for organization in leaf.organizations {
            params.distinguished_name.push(DnType::OrganizationName, *organization);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![leaf.usage.clone()];
        params.use_authority_key_identifier_extension = true;
        validity(&mut params);
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok(KeyPairPem { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

fn self_signed(name: &str, key: &KeyPair) -> Result<String, PkiError> {
    let failed = |source| PkiError::Issue { name: name.to_owned(), source };
    let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    validity(&mut params);
    Ok(params.self_signed(key).map_err(failed)?.pem())
}

/// From yesterday, so that a clock that is a little behind does not matter.
fn validity(params: &mut CertificateParams) {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let from = today.yesterday().unwrap_or(today);
    let day = |date: jiff::civil::Date, years: i16| {
        // The 28th exists in every month of every year.
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs().min(28));
        rcgen::date_time_ymd(i32::from(date.year().saturating_add(years)), month, day)
    };
    params.not_before = day(from, 0);
    params.not_after = day(from, YEARS);
}
