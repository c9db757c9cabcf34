//! Invitations in Secrets: which are to be announced, which to be taken up, and what became of them.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use isthmus_federation::invitation::{Invitation, InvitationId};
use isthmus_k8s::federation::invitation::{ERROR, SIDE, STATE, Side, State, USED_BY, text};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

/// Most of them that are looked at.
const MAX_SECRETS: u32 = 200;

/// An invitation that may still be used.
#[derive(Debug, Clone)]
pub(super) struct Open {
    /// Of the Secret.
    pub(super) name: String,
    pub(super) side: Side,
    pub(super) invitation: Arc<Invitation>,
    /// What stood in the way last.
    error: Option<String>,
}

/// What a Secret is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) state: Option<State>,
    pub(super) used_by: Option<String>,
    pub(super) error: Option<String>,
}

/// What a Secret is.
#[derive(Debug)]
pub(super) enum Found {
    Open(Open),
    /// It can't be used, and doesn't say so yet.
    Close(String, Mark),
    /// Nothing is to be done about it.
    Over,
}

impl Mark {
    pub(super) fn state(state: State) -> Self {
        Self { state: Some(state), used_by: None, error: None }
    }

    pub(super) fn used_by(mesh: &str) -> Self {
        Self { used_by: Some(mesh.to_owned()), ..Self::state(State::Used) }
    }

    pub(super) fn refused(why: impl ToString) -> Self {
        Self { error: Some(why.to_string()), ..Self::state(State::Refused) }
    }

    /// Something stands in the way, and may pass.
    pub(super) fn hindered(why: impl ToString) -> Self {
        Self { state: None, used_by: None, error: Some(why.to_string()) }
    }
}

impl Open {
    pub(super) fn id(&self) -> InvitationId {
        self.invitation.id
    }

    /// Does the Secret say this already?
    pub(super) fn says(&self, mark: &Mark) -> bool {
        mark.state.is_none() && mark.error == self.error
    }
}

/// Looks at one Secret.
pub(super) fn read(secret: &Secret, now: SystemTime) -> Found {
    let (Some(side), name) = (Side::of(secret), secret.name_any()) else { return Found::Over };
    match State::of(secret) {
        None => {}
        // Announced again to a hub that has forgotten it; and it may end.
        Some(State::Announced) if side == Side::Inviter => {}
        Some(_) => return Found::Over,
    }
    let text = text(secret).ok_or_else(|| "entry invitation is missing or not text".to_owned());
    match text.and_then(|text| Invitation::parse(text).map_err(|error| error.to_string())) {
        Err(why) => Found::Close(name, Mark::refused(why)),
        Ok(invitation) if invitation.has_expired(now) => Found::Close(name, Mark::state(State::Expired)),
        Ok(invitation) => Found::Open(Open {
            name,
            side,
            invitation: Arc::new(invitation),
            error: secret.annotations().get(ERROR).cloned(),
        }),
    }
}

/// All invitations of the control plane's namespace.
pub(super) async fn list(api: &Api<Secret>) -> Result<Vec<Secret>, kube::Error> {
    Ok(api.list(&ListParams::default().labels(SIDE).limit(MAX_SECRETS)).await?.items)
}

/// Writes a mark. A Secret that is gone needs none.
pub(super) async fn mark(api: &Api<Secret>, name: &str, mark: &Mark) -> Result<(), kube::Error> {
    let mut annotations = BTreeMap::from([(ERROR, mark.error.clone())]);
    if let Some(state) = mark.state {
        annotations.insert(STATE, Some(state.as_str().to_owned()));
    }
    if let Some(mesh) = &mark.used_by {
        annotations.insert(USED_BY, Some(mesh.clone()));
    }
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    match api.patch(name, &PatchParams::default(), &patch).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use isthmus_federation::invitation::Terms;
    use isthmus_identity::BundleDigest;
    use isthmus_k8s::federation::invitation::secret;
    use k8s_openapi::ByteString;

    use super::*;

    fn invitation(expires: SystemTime) -> Invitation {
        let digest: BundleDigest = format!("sha256:{}", "ab".repeat(32)).parse().unwrap();
        let expires = expires.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        Invitation::generate(Terms {
            hub: vec!["192.0.2.1:15030".into()],
            hub_identity: "spiffe://east.local/ns/isthmus-system/sa/isthmus-hub".parse().unwrap(),
            hub_bundle: digest,
            mesh: "east".parse().unwrap(),
            trust_domain: isthmus_core::id::TrustDomain::new("east.local").unwrap(),
            bundle: digest,
            expires: i64::try_from(expires).unwrap(),
        })
        .unwrap()
    }

    fn kept(side: Side, state: Option<State>) -> Secret {
        let invitation = invitation(SystemTime::now() + Duration::from_secs(60));
        let text = invitation.to_text();
        let mut secret = secret("isthmus-system", &invitation.id.to_string(), side, text.expose(), None);
        if let Some(state) = state {
            secret.annotations_mut().insert(STATE.to_owned(), state.as_str().to_owned());
        }
        secret
    }

    #[test]
    fn an_invitation_is_open_until_something_is_said_of_it() {
        let now = SystemTime::now();
        for (side, state, open) in [
            (Side::Inviter, None, true),
            (Side::Inviter, Some(State::Announced), true),
            (Side::Inviter, Some(State::Used), false),
            (Side::Joiner, None, true),
            (Side::Joiner, Some(State::Used), false),
            (Side::Joiner, Some(State::Refused), false),
        ] {
            let found = read(&kept(side, state), now);
            assert_eq!(matches!(found, Found::Open(_)), open, "{side:?} {state:?}");
        }
        let Found::Open(open) = read(&kept(Side::Inviter, None), now) else { panic!() };
        assert!(!open.says(&Mark::hindered("no hub")));
    }

    #[test]
    fn one_that_is_over_or_altered_is_closed() {
        let now = SystemTime::now() + Duration::from_secs(120);
        let Found::Close(_, mark) = read(&kept(Side::Inviter, None), now) else { panic!() };
        assert_eq!(mark, Mark::state(State::Expired));
        let mut altered = kept(Side::Joiner, None);
        altered.data.as_mut().unwrap().values_mut().for_each(|text: &mut ByteString| text.0.truncate(30));
        let Found::Close(_, mark) = read(&altered, SystemTime::now()) else { panic!() };
        assert_eq!(mark.state, Some(State::Refused));
        assert!(mark.error.is_some());
        assert!(matches!(read(&Secret::default(), now), Found::Over), "no invitation at all");
    }
}
