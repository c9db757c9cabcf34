//! The mesh's root: from its Secret, which is made if there is none.

use std::time::{Duration, SystemTime};

use isthmus_core::id::{ObjectName, TrustDomain};
use isthmus_identity::{Authority, AuthorityError};
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, Client, api::PostParams};

/// How long a root that we make lives: ten years.
const ROOT_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Key of the certificate in the Secret.
const CERTIFICATE: &str = "tls.crt";
/// Key of the private key in the Secret.
const KEY: &str = "tls.key";

/// Why there is no root.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The API server can't be asked, or refuses.
    #[error("Secret {secret}: {cause}")]
    Kubernetes {
        /// The Secret.
        secret: ObjectName,
        /// What the API server says.
        cause: Box<kube::Error>,
    },
    /// The Secret is there, but isn't a root.
    #[error("Secret {secret}: {cause}")]
    Unusable {
        /// The Secret.
        secret: ObjectName,
        /// What is wrong with it.
        cause: AuthorityError,
    },
    /// The Secret has no such entry, or one that isn't text.
    #[error("Secret {secret} has no readable {entry}: give it PEM, or delete the Secret to have a new root made")]
    Missing {
        /// The Secret.
        secret: ObjectName,
        /// `tls.crt` or `tls.key`.
        entry: &'static str,
    },
}

/// Reads the root, or makes it. Of several replicas that make one at a time, the first wins and the others read it.
pub(crate) async fn load(client: &Client, secret: &ObjectName, domain: &TrustDomain) -> Result<Authority, CaError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), &secret.namespace);
    let failed = |cause| CaError::Kubernetes { secret: secret.clone(), cause: Box::new(cause) };
    let unusable = |cause| CaError::Unusable { secret: secret.clone(), cause };
    if let Some(found) = api.get_opt(&secret.name).await.map_err(failed)? {
        return read(secret, domain, &found);
    }
    let authority = Authority::generate(domain.clone(), SystemTime::now(), ROOT_LIFETIME).map_err(unusable)?;
    match api.create(&PostParams::default(), &write(secret, &authority)).await {
        Ok(_) => {
            tracing::info!(%secret, trust_domain = %domain, "made a new root");
            Ok(authority)
        }
        Err(kube::Error::Api(status)) if status.code == 409 => {
            read(secret, domain, &api.get(&secret.name).await.map_err(failed)?)
        }
        Err(error) => Err(failed(error)),
    }
}

fn read(name: &ObjectName, domain: &TrustDomain, secret: &Secret) -> Result<Authority, CaError> {
    let entry = |entry: &'static str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(entry));
        let text = bytes.and_then(|ByteString(bytes)| std::str::from_utf8(bytes).ok());
        text.ok_or_else(|| CaError::Missing { secret: name.clone(), entry })
    };
    Authority::from_pem(domain, entry(CERTIFICATE)?, entry(KEY)?, SystemTime::now())
        .map_err(|cause| CaError::Unusable { secret: name.clone(), cause })
}

fn write(name: &ObjectName, authority: &Authority) -> Secret {
    let pem = authority.to_pem();
    let data = [(CERTIFICATE, pem.certificate.into_bytes()), (KEY, pem.key.expose().as_bytes().to_vec())];
    Secret {
        metadata: ObjectMeta {
            name: Some(name.name.to_string()),
            namespace: Some(name.namespace.to_string()),
            ..ObjectMeta::default()
        },
        type_: Some("kubernetes.io/tls".to_owned()),
        data: Some(data.map(|(key, value)| (key.to_owned(), ByteString(value))).into()),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> ObjectName {
        ObjectName::new("isthmus-system", "isthmus-ca")
    }

    #[test]
    fn a_root_survives_its_secret() {
        let domain = TrustDomain::new("isthmus.local").unwrap();
        let made = Authority::generate(domain.clone(), SystemTime::now(), ROOT_LIFETIME).unwrap();
        let secret = write(&name(), &made);
        assert_eq!(read(&name(), &domain, &secret).unwrap().certificate(), made.certificate());
        let other = TrustDomain::new("other.local").unwrap();
        assert!(matches!(read(&name(), &other, &secret), Err(CaError::Unusable { .. })));
    }

    #[test]
    fn a_secret_without_a_root_is_refused_by_name() {
        let domain = TrustDomain::new("isthmus.local").unwrap();
        let error = read(&name(), &domain, &Secret::default()).unwrap_err();
        assert!(error.to_string().contains("isthmus-system/isthmus-ca") && error.to_string().contains("tls.crt"));
    }
}
