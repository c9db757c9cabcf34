//! The text of an invitation: `isthmus1.` and base64url of a secret, a message, and the first bytes of their SHA-256, by which a bad
//! copy is told from a good one.

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use isthmus_api::federation::v1 as proto;
use isthmus_identity::SecretText;
use prost::Message;
use zeroize::Zeroizing;

use super::{Invitation, InvitationId, Secret, Terms, secret::SECRET_BYTES};
use crate::{
    catalog::wire::{self, BadMessage},
    limits::MAX_INVITATION_BYTES,
};

/// What the text of every invitation of this version begins with.
pub const PREFIX: &str = "isthmus1.";
/// What those of any version begin with.
const FAMILY: &str = "isthmus";
const CHECKSUM: usize = 8;
/// Most addresses of a hub.
const MAX_HUB_ADDRESSES: usize = 8;

/// Why an invitation can't be used. None of these repeats the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadInvitation {
    /// It is something else.
    #[error(
        "this is not an invitation: it must begin with {PREFIX}; copy the whole text that `isthmus federation invite` printed"
    )]
    NotOne,
    /// A later version's.
    #[error(
        "this invitation is of a newer version of isthmus; upgrade this one, or have the inviter use version {PREFIX}"
    )]
    Newer,
    /// Characters were lost or changed.
    #[error("this invitation was cut off or altered on its way; copy the whole text again")]
    Altered,
    /// Its content can't be right, though it was copied well.
    #[error("this invitation can't be used: {0}; ask for a new one")]
    Content(#[from] BadMessage),
    /// It is over.
    #[error("this invitation expired {} s ago; ask for a new one, or set this machine's clock if it is wrong", .now.saturating_sub(*.ended))]
    Expired {
        /// When, Unix seconds.
        ended: i64,
        /// This clock, Unix seconds.
        now: i64,
    },
}

pub(super) fn write(invitation: &Invitation) -> SecretText {
    let Terms { hub, hub_identity, hub_bundle, mesh, trust_domain, bundle, expires } = &invitation.terms;
    let message = proto::Invitation {
        id: invitation.id.to_bytes().into(),
        hub: hub.iter().map(ToString::to_string).collect(),
        hub_identity: hub_identity.to_string(),
        hub_bundle: hub_bundle.to_string(),
        mesh: mesh.to_string(),
        trust_domain: trust_domain.to_string(),
        bundle: bundle.to_string(),
        expires: *expires,
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_INVITATION_BYTES));
    bytes.extend_from_slice(invitation.secret.as_bytes());
    bytes.extend_from_slice(&message.encode_to_vec());
    let sum = checksum(&bytes);
    bytes.extend_from_slice(&sum);
    SecretText::new(format!("{PREFIX}{}", Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())).as_str()))
}

pub(super) fn parse(text: &str) -> Result<Invitation, BadInvitation> {
    let text = text.trim();
    let Some(rest) = text.strip_prefix(PREFIX) else {
        let version = text.strip_prefix(FAMILY).and_then(|rest| rest.split_once('.'));
        let newer = version.is_some_and(|(v, _)| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()));
        return Err(if newer { BadInvitation::Newer } else { BadInvitation::NotOne });
    };
    if rest.len() > MAX_INVITATION_BYTES {
        return Err(BadInvitation::Altered);
    }
    // Mail and terminals break long lines.
    let joined: Zeroizing<String> = Zeroizing::new(rest.chars().filter(|c| !c.is_whitespace()).collect());
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(joined.as_bytes()).map_err(|_| BadInvitation::Altered)?);
    let (content, sum) =
        bytes.len().checked_sub(CHECKSUM).and_then(|at| bytes.split_at_checked(at)).ok_or(BadInvitation::Altered)?;
    if checksum(content) != *sum {
        return Err(BadInvitation::Altered);
    }
    let (secret, message) = content.split_at_checked(SECRET_BYTES).ok_or(BadInvitation::Altered)?;
    let message = proto::Invitation::decode(message).map_err(|error| BadMessage::Unreadable(error.to_string()))?;
    let missing = |field| BadInvitation::Content(BadMessage::Missing(field));
    if message.hub.is_empty() {
        return Err(missing("hub"));
    }
    wire::within("addresses of the hub", message.hub.len(), MAX_HUB_ADDRESSES)?;
    let terms = Terms {
        hub: message.hub.iter().map(|address| address.as_str().into()).collect(),
        hub_identity: wire::parse("hub_identity", &message.hub_identity)?,
        hub_bundle: wire::parse("hub_bundle", &message.hub_bundle)?,
        mesh: wire::parse("mesh", &message.mesh)?,
        trust_domain: wire::trust_domain("trust_domain", &message.trust_domain)?,
        bundle: wire::parse("bundle", &message.bundle)?,
        expires: message.expires,
    };
    let id = InvitationId::from_bytes(&message.id).ok_or_else(|| missing("id"))?;
    let secret = Secret::from_bytes(secret).ok_or_else(|| missing("secret"))?;
    Ok(Invitation { id, terms, secret })
}

fn checksum(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().iter().take(CHECKSUM).copied().collect()
}
