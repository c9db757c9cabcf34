//! The roots in use, in a Secret: what survives a restart at any moment of a rotation.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use isthmus_identity::{Authority, Census, Facts, Phase, RootId, Rotation, Step};
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, Client, api::PostParams};
use serde::{Deserialize, Serialize};

use super::{
    CaError, Names, Roots,
    kept::{self, TokenSecret},
    wanted,
};

const STATE: &str = "state.json";
const SIGNER: [&str; 2] = ["signer.crt", "signer.key"];
const OTHER: [&str; 2] = ["other.crt", "other.key"];
const CHAIN: &str = "bundles.json";
const TOKENS: &str = "tokens.key";

/// Everything but the roots themselves.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    phase: Name,
    sequence: u64,
    /// Unix seconds.
    since: u64,
    longest_leaf_seconds: u64,
}

#[derive(Debug, Serialize, Deserialize)]
enum Name {
    Steady,
    Publishing,
    Turning,
}

/// The roots in use; with the wanted one, if there are none yet.
pub(crate) async fn load(client: &Client, names: &Names, leaf_lifetime: Duration) -> Result<Roots, CaError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), &names.stored.namespace);
    let failed = CaError::kubernetes(&names.stored);
    let now = SystemTime::now();
    let found = api.get_opt(&names.stored.name).await.map_err(failed)?;
    let Some(found) = found else {
        let roots = Roots::begin(wanted::load(&api, names).await?, leaf_lifetime, now)?;
        return match api.create(&PostParams::default(), &write(names, &roots)).await {
            Ok(_) => Ok(roots),
            Err(kube::Error::Api(status)) if status.code == 409 => {
                read(names, &api.get(&names.stored.name).await.map_err(failed)?)
            }
            Err(error) => Err(failed(error)),
        };
    };
    let roots = read(names, &found)?;
    if roots.signer().not_after() > now {
        return Ok(roots);
    }
    // Nothing can be signed, not even for ourselves: the wanted root, if it is another, comes in at once.
    let wanted = wanted::load(&api, names).await?;
    let facts = Facts {
        wanted: wanted.root(),
        signer_expired: true,
        leaf_lifetime,
        census: &Census::default(),
        peers: &[],
        obstacle: None,
    };
    let Step::Advance(rotation) = roots.rotation.step(&facts, now) else { return Ok(roots) };
    let (chain, tokens) = (roots.chain().clone(), roots.tokens().clone());
    let Some(next) = Roots::of(rotation, &[wanted], chain, tokens)? else { return Ok(roots) };
    let secret = Secret { metadata: found.metadata, ..write(names, &next) };
    api.replace(&names.stored.name, &PostParams::default(), &secret).await.map_err(failed)?;
    Ok(next)
}

/// The roots in a Secret.
pub(super) fn read(names: &Names, secret: &Secret) -> Result<Roots, CaError> {
    let bad = |entry, fault: String| CaError::BadState { secret: names.stored.clone(), entry, fault };
    let bytes = |entry: &'static str| secret.data.as_ref().and_then(|data| data.get(entry)).map(|b| b.0.as_slice());
    let text = |entry: &'static str| {
        let text = bytes(entry).and_then(|bytes| std::str::from_utf8(bytes).ok());
        text.ok_or_else(|| bad(entry, "is missing or not text".to_owned()))
    };
    let root = |[certificate, key]: [&'static str; 2]| {
        let root = Authority::restore(&names.domain, text(certificate)?, text(key)?);
        root.map(Arc::new).map_err(CaError::unusable(&names.stored))
    };
    let state: State = serde_json::from_str(text(STATE)?).map_err(|error| bad(STATE, error.to_string()))?;
    let signer = root(SIGNER)?;
    let other = match state.phase {
        Name::Steady => None,
        Name::Publishing | Name::Turning => Some(root(OTHER)?),
    };
    let id = |authority: &Arc<Authority>| authority.root();
    let other_id: Option<RootId> = other.as_ref().map(id);
    let phase = match (state.phase, other_id) {
        (Name::Publishing, Some(next)) => Phase::Publishing { signer: id(&signer), next },
        (Name::Turning, Some(old)) => Phase::Turning { signer: id(&signer), old },
        _ => Phase::Steady { root: id(&signer) },
    };
    let since = UNIX_EPOCH.checked_add(Duration::from_secs(state.since));
    let rotation = Rotation {
        phase,
        sequence: state.sequence,
        since: since.ok_or_else(|| bad(STATE, "names a moment that no clock can show in `since`".to_owned()))?,
        longest_leaf: Duration::from_secs(state.longest_leaf_seconds),
    };
    let all: Vec<_> = std::iter::once(signer).chain(other).collect();
    let chain = kept::read(&names.domain, text(CHAIN)?).map_err(|fault| bad(CHAIN, fault))?;
    let tokens = bytes(TOKENS).and_then(TokenSecret::read);
    let tokens = tokens.ok_or_else(|| bad(TOKENS, "is missing or not a key".to_owned()))?;
    Roots::of(rotation, &all, chain, tokens)?.ok_or_else(|| bad(STATE, "doesn't fit the roots".to_owned()))
}

/// The Secret of these roots.
pub(super) fn write(names: &Names, roots: &Roots) -> Secret {
    let Rotation { phase, sequence, since, longest_leaf } = roots.rotation;
    let state = State {
        phase: match phase {
            Phase::Steady { .. } => Name::Steady,
            Phase::Publishing { .. } => Name::Publishing,
            Phase::Turning { .. } => Name::Turning,
        },
        sequence,
        since: since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        longest_leaf_seconds: longest_leaf.as_secs(),
    };
    // A struct of numbers and a name can't fail to become JSON; an empty entry would be refused when it is read.
    let state = serde_json::to_string(&state).unwrap_or_default();
    let mut data = BTreeMap::from([(STATE.to_owned(), ByteString(state.into_bytes()))]);
    for ([certificate, key], root) in [SIGNER, OTHER].into_iter().zip(roots.all()) {
        let pem = root.to_pem();
        data.insert(certificate.to_owned(), ByteString(pem.certificate.into_bytes()));
        data.insert(key.to_owned(), ByteString(pem.key.expose().as_bytes().to_vec()));
    }
    data.insert(CHAIN.to_owned(), ByteString(kept::write(roots.chain()).into_bytes()));
    data.insert(TOKENS.to_owned(), ByteString(roots.tokens().expose().to_vec()));
    Secret {
        metadata: ObjectMeta {
            name: Some(names.stored.name.to_string()),
            namespace: Some(names.stored.namespace.to_string()),
            ..ObjectMeta::default()
        },
        type_: Some("isthmus.mesh/trust".to_owned()),
        data: Some(data),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests;
