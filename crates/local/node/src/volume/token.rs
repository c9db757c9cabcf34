//! ServiceAccount tokens of one pod, renewed before they expire.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount, ServiceAccountTokenProjection};
use kube::api::{Api, PostParams};
use parking_lot::Mutex;

use super::content::Tokens;

/// What a token is asked for: audience, and lifetime in seconds.
type Key = (Option<String>, i64);

/// The kubelet's default lifetime.
const HOUR: i64 = 3600;

#[derive(Clone)]
struct Issued {
    token: String,
    renew_at: Timestamp,
}

/// The tokens of one pod.
#[derive(Default)]
pub(crate) struct TokenCache {
    issued: Mutex<BTreeMap<Key, Issued>>,
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("tokens", &self.issued.lock().len()).finish()
    }
}

fn key(wanted: &ServiceAccountTokenProjection) -> Key {
    (wanted.audience.clone().filter(|audience| !audience.is_empty()), wanted.expiration_seconds.unwrap_or(HOUR))
}

/// A token is renewed when a fifth of its life is left.
fn renewal(issued: Timestamp, expires: Timestamp) -> Timestamp {
    let life = expires.as_second().saturating_sub(issued.as_second());
    issued.saturating_add(SignedDuration::from_secs(life.saturating_mul(4) / 5)).unwrap_or(issued)
}

impl TokenCache {
    /// Gets what isn't there or is due. The earliest time at which another one will be due.
    pub(crate) async fn refresh(&self, client: &kube::Client, pod: &Pod) -> Result<Option<Timestamp>, kube::Error> {
        let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
        let projections = volumes
            .filter_map(|volume| volume.projected.as_ref())
            .flat_map(|projected| projected.sources.iter().flatten());
        for wanted in projections.filter_map(|source| source.service_account_token.as_ref()) {
            let now = Timestamp::now();
            let due = self.issued.lock().get(&key(wanted)).is_none_or(|issued| issued.renew_at <= now);
            if due {
                let status = request(client, pod, &key(wanted)).await?;
                if let Some(status) = status.status {
                    let renew_at = renewal(now, status.expiration_timestamp.0);
                    self.issued.lock().insert(key(wanted), Issued { token: status.token, renew_at });
                }
            }
        }
        Ok(self.issued.lock().values().map(|issued| issued.renew_at).min())
    }
}

impl Tokens for TokenCache {
    fn token(&self, wanted: &ServiceAccountTokenProjection) -> Option<String> {
        self.issued.lock().get(&key(wanted)).map(|issued| issued.token.clone())
    }
}

async fn request(client: &kube::Client, pod: &Pod, (audience, seconds): &Key) -> Result<TokenRequest, kube::Error> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or("default");
    let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref()).unwrap_or("default");
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: audience.iter().cloned().collect(),
            expiration_seconds: Some(*seconds),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".into()),
                kind: Some("Pod".into()),
                name: pod.metadata.name.clone(),
                uid: pod.metadata.uid.clone(),
            }),
        },
        ..TokenRequest::default()
    };
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    accounts.create_token_request(account, &PostParams::default(), &request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_when_a_fifth_of_its_life_is_left() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(renewal(at(1000), at(4600)), at(3880));
        assert_eq!(renewal(at(1000), at(0)), at(200));
    }
}
