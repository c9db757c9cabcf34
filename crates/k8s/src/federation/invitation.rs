//! The Secrets that invitations are kept in, in the control plane's namespace of each side.
//!
//! The commands write them, and the controller that leads acts on them: it announces the inviter's to the hub, joins by
//! the joiner's, and says in annotations how far it is.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{ResourceExt, api::ObjectMeta};

/// The label that says on which side the Secret is: [`Side`].
pub const SIDE: &str = "isthmus.mesh/invitation";
/// The entry with the invitation's text.
pub const TEXT: &str = "invitation";
/// Annotation of the inviter's: the one mesh that may use it. Any may when absent.
pub const TO: &str = "isthmus.mesh/invitation-to";
/// Annotation, by the controller: [`State`].
pub const STATE: &str = "isthmus.mesh/invitation-state";
/// Annotation, by the controller: the mesh that has used it.
pub const USED_BY: &str = "isthmus.mesh/invitation-used-by";
/// Annotation, by the controller: what stands in the way, and the remedy.
pub const ERROR: &str = "isthmus.mesh/invitation-error";

/// Whose an invitation's Secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Of the mesh that invites.
    Inviter,
    /// Of the mesh that joins.
    Joiner,
}

/// How far an invitation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The hub knows it.
    Announced,
    /// It has been used, and can't be used again.
    Used,
    /// It is over.
    Expired,
    /// It was refused; [`ERROR`] says why.
    Refused,
}

impl Side {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inviter => "inviter",
            Self::Joiner => "joiner",
        }
    }

    /// The side of a Secret; `None`: it is no invitation's.
    pub fn of(secret: &Secret) -> Option<Self> {
        let label = secret.labels().get(SIDE)?;
        [Self::Inviter, Self::Joiner].into_iter().find(|side| side.as_str() == label)
    }
}

impl State {
    /// The annotation's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "Announced",
            Self::Used => "Used",
            Self::Expired => "Expired",
            Self::Refused => "Refused",
        }
    }

    /// The state of a Secret; `None`: nobody has looked at it yet.
    pub fn of(secret: &Secret) -> Option<Self> {
        let text = secret.annotations().get(STATE)?;
        [Self::Announced, Self::Used, Self::Expired, Self::Refused].into_iter().find(|state| state.as_str() == text)
    }
}

/// The name of the Secret of the invitation with this id.
pub fn secret_name(id: &str) -> String {
    format!("isthmus-invitation-{id}")
}

/// The Secret of an invitation.
pub fn secret(namespace: &str, id: &str, side: Side, text: &str, to: Option<&str>) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(secret_name(id)),
            namespace: Some(namespace.to_owned()),
            labels: Some(BTreeMap::from([(SIDE.to_owned(), side.as_str().to_owned())])),
            annotations: to.map(|mesh| BTreeMap::from([(TO.to_owned(), mesh.to_owned())])),
            ..ObjectMeta::default()
        },
        type_: Some("isthmus.mesh/invitation".to_owned()),
        data: Some(BTreeMap::from([(TEXT.to_owned(), ByteString(text.as_bytes().to_vec()))])),
        ..Secret::default()
    }
}

/// The text of an invitation's Secret.
pub fn text(secret: &Secret) -> Option<&str> {
    std::str::from_utf8(&secret.data.as_ref()?.get(TEXT)?.0).ok()
}

#[cfg(test)]
mod tests;
