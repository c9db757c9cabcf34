//! ServiceAccount tokens: JWTs signed with ES256.

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ids;

/// `iss` of every token, and the audience of a token that asks for none.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// A token longer than this is not looked at.
const MAX_TOKEN_BYTES: usize = 8192;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) aud: Vec<String>,
    pub(crate) exp: i64,
    pub(crate) iat: i64,
    pub(crate) iss: String,
    pub(crate) jti: String,
    #[serde(rename = "kubernetes.io")]
    pub(crate) private: Private,
    pub(crate) nbf: i64,
    pub(crate) sub: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Private {
    pub(crate) namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<Ref>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pod: Option<Ref>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<Ref>,
    pub(crate) serviceaccount: Ref,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ref {
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// What a new token shall say.
pub(crate) struct Grant {
    pub(crate) private: Private,
    pub(crate) audiences: Vec<String>,
    pub(crate) seconds: i64,
}

/// Why a token is not good; the text goes into TokenReview's `status.error`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum TokenError {
    #[error("token is not a JWT of this cluster")]
    Malformed,
    #[error("token signature is invalid")]
    BadSignature,
    #[error("token is not valid yet, or has expired")]
    Expired,
    #[error("token audiences {got:?} is invalid for the target audiences {wanted:?}")]
    WrongAudience { got: Vec<String>, wanted: Vec<String> },
}

pub(crate) struct Signer {
    key: EcdsaKeyPair,
    kid: String,
}

impl Signer {
    /// From a PKCS#8 P-256 key; none when it is something else.
    pub(crate) fn new(pkcs8: &[u8]) -> Option<Self> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
        let kid = BASE64URL.encode(digest::digest(&digest::SHA256, key.public_key().as_ref()));
        Some(Self { key, kid })
    }

    /// The token and the second at which it expires; none only if the system has no randomness.
    pub(crate) fn sign(&self, grant: Grant, now: i64) -> Option<(String, i64)> {
        let exp = now.saturating_add(grant.seconds);
        let sub = format!("system:serviceaccount:{}:{}", grant.private.namespace, grant.private.serviceaccount.name);
        let claims = Claims {
            aud: grant.audiences,
            exp,
            iat: now,
            iss: ISSUER.to_owned(),
            jti: ids::uid(),
            private: grant.private,
            nbf: now,
            sub,
        };
        let header = json!({ "alg": "ES256", "kid": self.kid, "typ": "JWT" });
        let claims = serde_json::to_vec(&claims).ok()?;
        let text = format!("{}.{}", BASE64URL.encode(header.to_string()), BASE64URL.encode(claims));
        let signature = self.key.sign(&SystemRandom::new(), text.as_bytes()).ok()?;
        Some((format!("{text}.{}", BASE64URL.encode(signature.as_ref())), exp))
    }

    /// The claims of a token that was signed here, is in force at `now` and is meant for one of `audiences`.
    pub(crate) fn verify(&self, token: &str, audiences: &[String], now: i64) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let (text, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = text.split_once('.').ok_or(TokenError::Malformed)?;
        let decode = |part: &str| BASE64URL.decode(part).map_err(|_| TokenError::Malformed);
        let header: Value = serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Malformed)?;
        if header.get("alg").and_then(Value::as_str) != Some("ES256") {
            return Err(TokenError::Malformed);
        }
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key().as_ref())
            .verify(text.as_bytes(), &decode(signature)?)
            .map_err(|_| TokenError::BadSignature)?;
        let claims: Claims = serde_json::from_slice(&decode(claims)?).map_err(|_| TokenError::Malformed)?;
        if claims.iss != ISSUER {
            return Err(TokenError::Malformed);
        }
        if now < claims.nbf || now >= claims.exp {
            return Err(TokenError::Expired);
        }
        if !claims.aud.iter().any(|aud| audiences.contains(aud)) {
            return Err(TokenError::WrongAudience { got: claims.aud, wanted: audiences.to_vec() });
        }
        Ok(claims)
    }

    /// The public key as `/openid/v1/jwks` shows it.
    pub(crate) fn jwks(&self) -> Value {
        // An uncompressed point: 4, then x and y of 32 bytes each.
        let point = self.key.public_key().as_ref();
        let part = |from: usize| point.get(from..from.saturating_add(32)).map(|bytes| BASE64URL.encode(bytes));
        json!({ "keys": [{
            "use": "sig", "kty": "EC", "kid": self.kid, "crv": "P-256", "alg": "ES256", "x": part(1), "y": part(33),
        }] })
    }
}

#[cfg(test)]
mod tests;
