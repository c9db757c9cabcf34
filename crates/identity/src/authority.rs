//! The mesh's certificate authority.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use isthmus_core::{
    id::{SpiffeId, TrustDomain},
    telemetry::Owned,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType,
    SerialNumber, SigningKey, string::Ia5String,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, pem::PemObject};

use crate::{
    bundle::{Bundle, pem_certificate},
    leaf,
    rotation::RootId,
    secret::{SecretKey, SecretText},
    statement::Statement,
    svid::validity,
};

/// How long a leaf lives when nobody says otherwise.
pub const DEFAULT_LEAF_LIFETIME: Duration = Duration::from_hours(24);
/// How far before its making a certificate begins to be valid, for clocks that are behind: those of another mesh by five
/// minutes, and a minute to spare.
pub const BACKDATE: Duration = Duration::from_mins(6);
/// The last moment that a certificate of ours can name, since 1970: before the year 3000, so within four digits.
const LATEST: Duration = Duration::from_hours(24 * 365 * 1000);
/// Longest certificate request in bytes of DER.
pub const MAX_CSR: usize = 8 * 1024;

/// Why the authority can't be made or doesn't sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The certificate given to the authority can't be used as its root.
    #[error(
        "CA certificate {fault}; give a CA certificate with the URI name spiffe://{domain}, or none to have one made"
    )]
    BadCertificate {
        /// The mesh's trust domain.
        domain: TrustDomain,
        /// What is wrong.
        fault: &'static str,
    },
    /// The private key given to the authority can't be read. Its text is not repeated.
    #[error("CA private key can't be read; give the PEM of a PKCS #8, PKCS #1 or SEC 1 key")]
    BadKey,
    /// The private key isn't that of the certificate.
    #[error("CA private key is not the key of the CA certificate")]
    KeyMismatch,
    /// The authority's own certificate isn't valid at this time.
    #[error(
        "CA certificate is valid from {begins} to {ends} (Unix seconds), and this clock says {now}; set the clock right, or give a \
         CA certificate that is valid"
    )]
    NotValidNow {
        /// The first second of it.
        begins: u64,
        /// The last one.
        ends: u64,
        /// The present.
        now: u64,
    },
    /// The request isn't a PKCS #10 request of at most 8 KiB, signed by its own P-256 key.
    #[error("certificate request {0}")]
    BadRequest(&'static str),
    /// The ID is of another trust domain.
    #[error("{id} is not of trust domain {domain}, the only one that this authority signs for")]
    ForeignId {
        /// The ID asked for.
        id: SpiffeId,
        /// The authority's domain.
        domain: TrustDomain,
    },
    /// The cryptographic library failed.
    #[error("making a certificate: {0}")]
    Crypto(String),
}

/// A root with its private key: signs leaves of its own trust domain.
pub struct Authority {
    trust_domain: TrustDomain,
    certificate: CertificateDer<'static>,
    valid: (SystemTime, SystemTime),
    issuer: Issuer<'static, SecretKey>,
}

/// An authority as it is kept in a Secret.
#[derive(Debug)]
pub struct AuthorityPem {
    /// The certificate (`tls.crt`).
    pub certificate: String,
    /// The private key (`tls.key`).
    pub key: SecretText,
}

/// A signed leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Leaf first, DER; the root isn't in it.
    pub chain: Vec<CertificateDer<'static>>,
    /// First moment of validity.
    pub not_before: SystemTime,
    /// Last moment of validity.
    pub not_after: SystemTime,
}

impl Authority {
    /// Makes a root with a fresh P-256 key, valid from [`BACKDATE`] before `now` for `lifetime`.
    pub fn generate(trust_domain: TrustDomain, now: SystemTime, lifetime: Duration) -> Result<Self, AuthorityError> {
        let key = SecretKey(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(crypto)?);
        let mut params = template("Isthmus mesh root", &format!("spiffe://{trust_domain}"), now, after(now, lifetime))?;
        // Leaves only: what this root signs can sign nothing.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(crypto)?.der().clone();
        Self::assemble(trust_domain, certificate, key)
    }

    /// Takes over a root that somebody else has made. It must be a CA, name its trust domain as its one URI, and be
    /// valid now.
    pub fn from_pem(
        trust_domain: &TrustDomain,
        certificate: &str,
        key: &str,
        now: SystemTime,
    ) -> Result<Self, AuthorityError> {
        let authority = Self::restore(trust_domain, certificate, key)?;
        authority.check_time(now)?;
        Ok(authority)
    }

    /// The same for a root that was taken over before, and may have expired since: then it signs nothing.
    pub fn restore(trust_domain: &TrustDomain, certificate: &str, key: &str) -> Result<Self, AuthorityError> {
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(|_| {
            AuthorityError::BadCertificate { domain: trust_domain.clone(), fault: "is not a PEM certificate" }
        })?;
        let key = SecretKey(KeyPair::from_pem(key).map_err(|_| AuthorityError::BadKey)?);
        Self::assemble(trust_domain.clone(), der, key)
    }

    fn assemble(
        trust_domain: TrustDomain,
        certificate: CertificateDer<'static>,
        key: SecretKey,
    ) -> Result<Self, AuthorityError> {
        let valid = check_root(&trust_domain, &certificate, &key)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(crypto)?;
        Ok(Self { trust_domain, certificate, valid, issuer })
    }

    /// Signs a leaf for the public key of a request (PKCS #10, DER), which proves by its signature that the asker has
    /// the private one. Nothing else of the request is used. The leaf's one name is `id`; it is valid from
    /// [`BACKDATE`] before `now` for `lifetime`, but no longer than the root.
    pub fn issue(
        &self,
        csr: &[u8],
        id: &SpiffeId,
        now: SystemTime,
        lifetime: Duration,
    ) -> Result<Issued, AuthorityError> {
        self.issue_for(csr, id, None, now, lifetime)
    }

    /// The same for a pod: its name and its owner's are in the leaf's subject, for the telemetry of whoever it talks to
    /// ([`crate::peer_workload`]).
    pub fn issue_for(
        &self,
        csr: &[u8],
        id: &SpiffeId,
        pod: Option<&Owned>,
        now: SystemTime,
        lifetime: Duration,
    ) -> Result<Issued, AuthorityError> {
        if id.trust_domain() != &self.trust_domain {
            return Err(AuthorityError::ForeignId { id: id.clone(), domain: self.trust_domain.clone() });
        }
        self.check_time(now)?;
        if csr.len() > MAX_CSR {
            return Err(AuthorityError::BadRequest("is longer than 8 KiB"));
        }
        let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr))
            .map_err(|_| AuthorityError::BadRequest("is not a PKCS #10 request signed by its own key"))?;
        if request.public_key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
            return Err(AuthorityError::BadRequest("is not for a P-256 key"));
        }
        let not_after = after(now, lifetime).min(self.valid.1);
        let mut params = template(pod.map_or("Isthmus workload", Owned::pod), id.as_str(), now, not_after)?;
        if let Some(pod) = pod {
            let owner = format!("{}/{}", pod.kind(), pod.name());
            params.distinguished_name.push(DnType::OrganizationalUnitName, owner);
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let leaf = params.signed_by(&request.public_key, &self.issuer).map_err(crypto)?.der().clone();
        let (not_before, not_after) = match leaf::parse(&leaf) {
            Some(cert) => validity(&cert),
            None => return Err(AuthorityError::Crypto("the new leaf can't be read".into())),
        };
        Ok(Issued { chain: vec![leaf], not_before, not_after })
    }

    /// Signs something that isn't a certificate, whenever it is: whoever reads it judges whether the root counted then.
    pub(crate) fn sign(&self, statement: &Statement) -> Result<Vec<u8>, AuthorityError> {
        self.issuer.key().sign(statement.as_bytes()).map_err(crypto)
    }

    /// The domain that the authority signs for.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The root certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The name of the root.
    pub fn root(&self) -> RootId {
        RootId::of(&self.certificate)
    }

    /// The last moment of the root's validity.
    pub fn not_after(&self) -> SystemTime {
        self.valid.1
    }

    /// The bundle that lets others verify what the authority signs.
    pub fn bundle(&self, sequence: u64) -> Bundle {
        Bundle { trust_domain: self.trust_domain.clone(), roots: vec![self.certificate.clone()], sequence }
    }

    /// Certificate and key, for the Secret that they are kept in.
    pub fn to_pem(&self) -> AuthorityPem {
        let key = SecretText::new(self.issuer.key().0.serialize_pem());
        AuthorityPem { certificate: pem_certificate(&self.certificate), key }
    }

    fn check_time(&self, now: SystemTime) -> Result<(), AuthorityError> {
        let (begins, ends) = self.valid;
        if (begins..=ends).contains(&now) {
            return Ok(());
        }
        let [begins, ends, now] = [begins, ends, now].map(|time| since_epoch(time).as_secs());
        Err(AuthorityError::NotValidNow { begins, ends, now })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("trust_domain", &self.trust_domain)
            .field("valid", &self.valid)
            .finish_non_exhaustive()
    }
}

/// Is this a root of the domain, for this key? Gives its validity.
fn check_root(
    domain: &TrustDomain,
    certificate: &CertificateDer<'_>,
    key: &SecretKey,
) -> Result<(SystemTime, SystemTime), AuthorityError> {
    let bad = |fault| AuthorityError::BadCertificate { domain: domain.clone(), fault };
    let cert = leaf::parse(certificate).ok_or_else(|| bad("can't be read"))?;
    if !cert.basic_constraints().ok().flatten().is_some_and(|e| e.value.ca) {
        return Err(bad("is not a CA"));
    }
    if cert.key_usage().ok().flatten().is_some_and(|e| !e.value.key_cert_sign()) {
        return Err(bad("may not sign certificates"));
    }
    match leaf::uri_names(&cert).as_deref() {
        Some([uri]) if uri.strip_prefix("spiffe://") == Some(domain.as_str()) => {}
        _ => return Err(bad("doesn't name the trust domain as its one URI")),
    }
    if cert.public_key().subject_public_key.data.as_ref() != key.der_bytes() {
        return Err(AuthorityError::KeyMismatch);
    }
    Ok(validity(&cert))
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

/// What every certificate of ours has in common.
fn template(
    name: &str,
    uri: &str,
    now: SystemTime,
    not_after: SystemTime,
) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, leaf::ORGANIZATION);
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(uri).map_err(crypto)?)];
    params.serial_number = Some(random_serial()?);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch(now).saturating_sub(BACKDATE).min(LATEST);
    params.not_after = epoch + since_epoch(not_after).min(LATEST);
    Ok(params)
}

/// `now + lifetime`, or the latest moment when that is beyond what a clock can say.
fn after(now: SystemTime, lifetime: Duration) -> SystemTime {
    now.checked_add(lifetime).unwrap_or(SystemTime::UNIX_EPOCH + LATEST)
}

/// 127 random bits: positive, and never two alike.
fn random_serial() -> Result<SerialNumber, AuthorityError> {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| AuthorityError::Crypto("no random numbers".into()))?;
    if let Some(first) = bytes.first_mut() {
        *first &= 0x7f;
    }
    Ok(SerialNumber::from_slice(&bytes))
}

fn crypto(error: rcgen::Error) -> AuthorityError {
    AuthorityError::Crypto(error.to_string())
}

#[cfg(test)]
mod tests;
