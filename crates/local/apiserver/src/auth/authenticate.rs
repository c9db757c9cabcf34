//! From a certificate or a bearer token to a user.

use std::collections::BTreeMap;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use isthmus_local_machinery::status::ApiError;
use isthmus_local_store::{Key, Store};
use rustls::pki_types::CertificateDer;
use serde_json::Value;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::token::{Claims, ISSUER, Signer, TokenError};
use super::{AUTHENTICATED, User};

/// The user of a request: its client certificate's if there is one, else its bearer token's, else the anonymous one.
pub(crate) fn authenticate(
    headers: &HeaderMap,
    certificate: Option<&User>,
    signer: &Signer,
    store: &Store,
) -> Result<User, ApiError> {
    if let Some(certificate) = certificate {
        return Ok(certificate.clone());
    }
    let Some(header) = headers.get(AUTHORIZATION) else { return Ok(User::anonymous()) };
    let token = header.to_str().ok().and_then(|text| text.split_once(' '));
    let Some((scheme, token)) = token else { return Err(ApiError::unauthorized()) };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(ApiError::unauthorized());
    }
    let audiences = [ISSUER.to_owned()];
    match bearer(token.trim(), &audiences, signer, store) {
        Ok((user, _)) => Ok(user),
        Err(error) => {
            tracing::debug!(%error, "a bearer token was refused");
            Err(ApiError::unauthorized())
        }
    }
}

/// Why a bearer token names nobody.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BearerError {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("{what} the token is bound to is gone")]
    Unbound { what: &'static str },
}

/// The user of a ServiceAccount token, whose ServiceAccount (and Pod) must still be there.
pub(crate) fn bearer(
    token: &str,
    audiences: &[String],
    signer: &Signer,
    store: &Store,
) -> Result<(User, Claims), BearerError> {
    let claims = signer.verify(token, audiences, jiff::Timestamp::now().as_second())?;
    let private = &claims.private;
    let alive = |resource: &str, name: &str, uid: &str| {
        let entry = store.get(&Key::new(resource, Some(&private.namespace), name));
        entry.is_some_and(|e| e.object.pointer("/metadata/uid").and_then(Value::as_str) == Some(uid))
    };
    if !alive("/serviceaccounts", &private.serviceaccount.name, &private.serviceaccount.uid) {
        return Err(BearerError::Unbound { what: "the ServiceAccount" });
    }
    if let Some(pod) = &private.pod
        && !alive("/pods", &pod.name, &pod.uid)
    {
        return Err(BearerError::Unbound { what: "the Pod" });
    }
    if let Some(secret) = &private.secret
        && !alive("/secrets", &secret.name, &secret.uid)
    {
        return Err(BearerError::Unbound { what: "the Secret" });
    }
    Ok((service_account(&claims), claims))
}

fn service_account(claims: &Claims) -> User {
    let private = &claims.private;
    let mut extra = BTreeMap::new();
    let mut add = |key: &str, value: &str| {
        extra.insert(format!("authentication.kubernetes.io/{key}"), vec![value.to_owned()]);
    };
    add("credential-id", &format!("JTI={}", claims.jti));
    if let Some(pod) = &private.pod {
        add("pod-name", &pod.name);
        add("pod-uid", &pod.uid);
    }
    if let Some(node) = &private.node {
        add("node-name", &node.name);
        add("node-uid", &node.uid);
    }
    User {
        name: claims.sub.clone(),
        uid: private.serviceaccount.uid.clone(),
        groups: vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{}", private.namespace),
            AUTHENTICATED.to_owned(),
        ],
        extra,
    }
}

/// The user that a client certificate (already checked by TLS) names: CN is the user, every O a group.
pub(crate) fn certificate_user(certificate: &CertificateDer<'_>) -> Option<User> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let subject = parsed.subject();
    let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    let mut groups: Vec<String> =
        subject.iter_organization().filter_map(|o| o.as_str().ok()).map(str::to_owned).collect();
    groups.push(AUTHENTICATED.to_owned());
    Some(User { name, groups, ..User::default() })
}
