//! The state of the roots on its way from the first cluster of a mesh to the others, through a hub that must neither read it nor
//! bring back an old one: encrypted and authenticated by a key that the mesh's clusters share, bound to mesh, sender and sequence.

use std::collections::BTreeMap;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    hkdf,
};
use isthmus_core::federation::MeshName;
use isthmus_federation::names::Cluster;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use zeroize::Zeroizing;

use super::{CaError, Names, Roots, kept::TokenSecret, stored};

/// What the key is derived for, and what it encrypts.
const PURPOSE: &[u8] = b"isthmus roots of a mesh of several clusters v1";
/// Bytes of a nonce, which come first.
const NONCE: usize = 12;

/// Why a state isn't taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOpened {
    /// It wasn't made with the shared key, or for this mesh, sender and sequence.
    #[error(
        "it isn't of this mesh's first cluster, or this cluster's keys are others: bring Secret isthmus-trust from the first \
         cluster anew"
    )]
    Foreign,
    /// It is, and can't be read.
    #[error(transparent)]
    Unreadable(#[from] CaError),
    /// Its sequence isn't the one that it was sent with.
    #[error("it is of sequence {found}, and was sent as {sent}")]
    OtherSequence {
        /// In it.
        found: u64,
        /// About it.
        sent: u64,
    },
}

/// Whose state it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender<'a> {
    pub(crate) mesh: &'a MeshName,
    pub(crate) cluster: &'a Cluster,
}

/// Closes a state for those who hold the same shared key. `None`: the system has no randomness.
pub(crate) fn close(names: &Names, roots: &Roots, sender: Sender<'_>) -> Option<Vec<u8>> {
    let data: BTreeMap<String, ByteString> = stored::write(names, roots).data.unwrap_or_default();
    // A map of bytes can't fail to become JSON.
    let mut text = Zeroizing::new(serde_json::to_vec(&data).unwrap_or_default());
    let key = key(roots.tokens())?;
    let aad = Aad::from(about(sender, roots.rotation.sequence));
    let nonce = key.seal_in_place_append_tag(aad, &mut *text).ok()?;
    Some([&nonce.as_ref()[..], &text].concat())
}

/// Opens one that was sent with this sequence.
pub(crate) fn open(
    names: &Names,
    present: &Roots,
    sender: Sender<'_>,
    sequence: u64,
    closed: &[u8],
) -> Result<Roots, NotOpened> {
    let (nonce, text) = closed.split_at_checked(NONCE).ok_or(NotOpened::Foreign)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotOpened::Foreign)?;
    let mut text = Zeroizing::new(text.to_vec());
    let key = key(present.tokens()).ok_or(NotOpened::Foreign)?;
    let aad = Aad::from(about(sender, sequence));
    let text = key.open_in_place(nonce, aad, &mut text).map_err(|_| NotOpened::Foreign)?;
    let data: BTreeMap<String, ByteString> = serde_json::from_slice(text).map_err(|_| NotOpened::Foreign)?;
    let roots = stored::read(names, &Secret { data: Some(data), ..Secret::default() })?;
    match roots.rotation.sequence {
        found if found == sequence => Ok(roots),
        found => Err(NotOpened::OtherSequence { found, sent: sequence }),
    }
}

fn key(shared: &TokenSecret) -> Option<RandomizedNonceKey> {
    let mut key = Zeroizing::new([0; 32]);
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, PURPOSE).extract(shared.expose());
    extracted.expand(&[b"key"], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut *key)).ok()?;
    RandomizedNonceKey::new(&AES_256_GCM, &*key).ok()
}

/// Names are labels, so nothing of one reaches into the next.
fn about(sender: Sender<'_>, sequence: u64) -> Vec<u8> {
    let Sender { mesh, cluster } = sender;
    [PURPOSE, format!("/{mesh}/{cluster}/{sequence}").as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        time::{Duration, SystemTime},
    };

    use isthmus_core::id::{ObjectName, TrustDomain};
    use isthmus_identity::Authority;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn names() -> Names {
        let name = |name: &str| ObjectName::new("isthmus-system", name);
        let domain = TrustDomain::new("west.local").unwrap();
        Names { wanted: name("isthmus-ca"), stored: name("isthmus-trust"), domain }
    }

    fn roots() -> Roots {
        let root = Authority::generate(names().domain, SystemTime::now(), HOUR).unwrap();
        Roots::begin(Arc::new(root), HOUR, SystemTime::now()).unwrap()
    }

    fn west() -> MeshName {
        "west".parse().unwrap()
    }

    fn cluster(name: &str) -> Cluster {
        name.parse().unwrap()
    }

    #[test]
    fn whoever_has_the_state_before_opens_the_next() {
        let (mesh, a) = (west(), cluster("a"));
        let sender = Sender { mesh: &mesh, cluster: &a };
        let (roots, now) = (roots(), roots().rotation.sequence);
        let closed = close(&names(), &roots, sender).unwrap();
        let opened = open(&names(), &roots, sender, roots.rotation.sequence, &closed).unwrap();
        assert_eq!(opened.rotation.phase, roots.rotation.phase);
        assert_eq!(opened.signer().certificate(), roots.signer().certificate());
        assert_eq!(opened.chain(), roots.chain());
        assert!(opened.tokens() == roots.tokens() && now > 0);
    }

    #[test]
    fn nothing_of_it_can_be_read_altered_or_passed_off_as_something_else() {
        let (mesh, other, a, b) = (west(), "east".parse().unwrap(), cluster("a"), cluster("b"));
        let sender = Sender { mesh: &mesh, cluster: &a };
        let roots = roots();
        let sequence = roots.rotation.sequence;
        let closed = close(&names(), &roots, sender).unwrap();
        let text = String::from_utf8_lossy(&closed);
        assert!(!text.contains("signer") && !text.contains("PRIVATE"), "it is readable");
        let refused = |sender, sequence, closed: &[u8]| {
            matches!(open(&names(), &roots, sender, sequence, closed), Err(NotOpened::Foreign))
        };
        assert!(refused(sender, sequence + 1, &closed), "an old state as a newer one");
        assert!(refused(Sender { mesh: &mesh, cluster: &b }, sequence, &closed), "of another cluster");
        assert!(refused(Sender { mesh: &other, cluster: &a }, sequence, &closed), "of another mesh");
        for at in [0, NONCE, closed.len() - 1] {
            let mut altered = closed.clone();
            altered[at] ^= 1;
            assert!(refused(sender, sequence, &altered), "altered at {at}");
        }
        assert!(refused(sender, sequence, &closed[..5]) && refused(sender, sequence, &[]));
        let stranger = self::roots();
        assert!(
            matches!(open(&names(), &stranger, sender, sequence, &closed), Err(NotOpened::Foreign)),
            "with the keys of another mesh"
        );
    }
}
