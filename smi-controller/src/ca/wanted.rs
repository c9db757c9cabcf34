//! The root that the mesh is to have: `isthmus-ca`, written by us, by the user or by cert-manager.

use std::{sync::Arc, time::SystemTime};

use isthmus_core::id::ObjectName;
use isthmus_identity::{Authority, Phase, RootId};
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, ResourceExt, api::PostParams};

use super::{CaError, Names, ROOT_LIFETIME, Roots};
use crate::annotations::ROTATE_ROOT;

/// Key of the certificate in the Secret.
const CERTIFICATE: &str = "tls.crt";
/// Key of the private key in the Secret.
const KEY: &str = "tls.key";
/// What cert-manager puts on the Secrets that it keeps.
const CERT_MANAGER: &str = "cert-manager.io/certificate-name";

/// What was found.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) root: Arc<Authority>,
    /// It was asked for a new root, and that can't be given: why.
    pub(super) declined: Option<String>,
}

/// Reads the root, or makes it. Of several replicas that make one at a time, the first wins and the others read it.
pub(super) async fn load(api: &Api<Secret>, names: &Names) -> Result<Arc<Authority>, CaError> {
    let failed = CaError::kubernetes(&names.wanted);
    if let Some(found) = api.get_opt(&names.wanted.name).await.map_err(failed)? {
        return read(names, &found);
    }
    let authority = make(names)?;
    match api.create(&PostParams::default(), &write(&names.wanted, &authority)).await {
        Ok(_) => {
            tracing::info!(secret = %names.wanted, trust_domain = %names.domain, "made a new root");
            Ok(Arc::new(authority))
        }
        Err(kube::Error::Api(status)) if status.code == 409 => {
            read(names, &api.get(&names.wanted.name).await.map_err(failed)?)
        }
        Err(error) => Err(failed(error)),
    }
}

/// The root of the Secret, and gives it a new one where its annotation asks for that. For the replica that leads. Where there is
/// no Secret, the mesh is to have the root that it has, or is about to have: a cluster that was given the mesh's roots, or
/// one whose Secret was deleted, has asked for no other.
pub(super) async fn renew(api: &Api<Secret>, names: &Names, present: &Arc<Authority>) -> Result<Wanted, CaError> {
    let failed = CaError::kubernetes(&names.wanted);
    let Some(mut found) = api.get_opt(&names.wanted.name).await.map_err(failed)? else {
        create(api, names, present).await?;
        return Ok(Wanted { root: present.clone(), declined: None });
    };
    if found.annotations_mut().remove(ROTATE_ROOT).is_none() {
        return Ok(Wanted { root: read(names, &found)?, declined: None });
    }
    let declined = found.annotations().get(CERT_MANAGER).map(|certificate| {
        format!("annotation {ROTATE_ROOT}: cert-manager keeps this Secret; ask it: cmctl renew {certificate}")
    });
    if declined.is_none() {
        found.data = write(&names.wanted, &make(names)?).data;
    }
    // With the version that was read: what somebody else has written meanwhile stands, and is looked at next time.
    let found = api.replace(&names.wanted.name, &PostParams::default(), &found).await.map_err(failed)?;
    Ok(Wanted { root: read(names, &found)?, declined })
}

/// Keeps the Secret of a cluster that follows: it asks for nothing, and holds the mesh's root, so that this cluster has the same wish
/// if it becomes the first. A root of somebody else's stays, and so does what cert-manager keeps. `true`: it was asked for a new root.
pub(super) async fn keep(api: &Api<Secret>, names: &Names, present: &Roots) -> Result<bool, CaError> {
    let failed = CaError::kubernetes(&names.wanted);
    let Some(mut found) = api.get_opt(&names.wanted.name).await.map_err(failed)? else {
        create(api, names, present.signer()).await?;
        return Ok(false);
    };
    let asked = found.annotations_mut().remove(ROTATE_ROOT).is_some();
    let behind = !found.annotations().contains_key(CERT_MANAGER)
        && read(names, &found).is_ok_and(|held| is_behind(held.root(), present));
    if behind {
        found.data = write(&names.wanted, present.signer()).data;
    }
    if asked || behind {
        api.replace(&names.wanted.name, &PostParams::default(), &found).await.map_err(failed)?;
    }
    Ok(asked)
}

/// Was the mesh's root this one, and is another now? While the other is only being published, it may still be given up.
fn is_behind(held: RootId, present: &Roots) -> bool {
    matches!(present.rotation.phase, Phase::Turning { .. })
        && held != present.signer().root()
        && present.all().iter().any(|root| root.root() == held)
}

/// Writes the Secret that isn't there. If somebody else has meanwhile, that counts from the next look on.
async fn create(api: &Api<Secret>, names: &Names, root: &Authority) -> Result<(), CaError> {
    match api.create(&PostParams::default(), &write(&names.wanted, root)).await {
        Err(error) if !matches!(&error, kube::Error::Api(status) if status.code == 409) => {
            Err(CaError::kubernetes(&names.wanted)(error))
        }
        _ => Ok(()),
    }
}

fn make(names: &Names) -> Result<Authority, CaError> {
    Authority::generate(names.domain.clone(), SystemTime::now(), ROOT_LIFETIME)
        .map_err(CaError::unusable(&names.wanted))
}

fn read(names: &Names, secret: &Secret) -> Result<Arc<Authority>, CaError> {
    let entry = |entry: &'static str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(entry));
        let text = bytes.and_then(|ByteString(bytes)| std::str::from_utf8(bytes).ok());
        text.ok_or_else(|| CaError::Missing { secret: names.wanted.clone(), entry })
    };
    Authority::from_pem(&names.domain, entry(CERTIFICATE)?, entry(KEY)?, SystemTime::now())
        .map(Arc::new)
        .map_err(CaError::unusable(&names.wanted))
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
    use isthmus_core::id::TrustDomain;

    use super::*;

    fn names(domain: &str) -> Names {
        let name = |name: &str| ObjectName::new("isthmus-system", name);
        Names { wanted: name("isthmus-ca"), stored: name("isthmus-trust"), domain: TrustDomain::new(domain).unwrap() }
    }

    #[test]
    fn a_root_survives_its_secret() {
        let names_of = names("isthmus.local");
        let made = make(&names_of).unwrap();
        let secret = write(&names_of.wanted, &made);
        assert_eq!(read(&names_of, &secret).unwrap().certificate(), made.certificate());
        assert!(matches!(read(&names("other.local"), &secret), Err(CaError::Unusable { .. })));
    }

    #[test]
    fn a_secret_without_a_root_is_refused_by_name() {
        let error = read(&names("isthmus.local"), &Secret::default()).unwrap_err();
        assert!(error.to_string().contains("isthmus-system/isthmus-ca") && error.to_string().contains("tls.crt"));
    }
}
