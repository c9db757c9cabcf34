//! What the hub wants of its mesh's controller: the mesh's roots, which its members' roots are beside.

use std::{convert::Infallible, future::pending, sync::Arc};

use isthmus_api::{
    control::v1::{
        ControllerMessage, Subscribe, controller_message::Content, proxy_message::Message, resource_key::Kind,
    },
    encode,
};
use isthmus_core::id::TrustDomain;
use isthmus_identity::{Bundle, TrustStore};
use isthmus_proxy::control::{Subscriber, Verdict, read_bundle};
use tokio::sync::oneshot;

/// The hub's subscription.
pub(super) struct Roots {
    own: TrustDomain,
    /// What members are verified by.
    trusted: Arc<TrustStore>,
    held: String,
    /// Until they have come once.
    told: Option<oneshot::Sender<()>>,
}

impl Roots {
    pub(super) fn new(own: TrustDomain, trusted: Arc<TrustStore>, told: oneshot::Sender<()>) -> Self {
        Self { own, trusted, held: String::new(), told: Some(told) }
    }
}

impl Subscriber for Roots {
    type Change = Vec<Bundle>;
    type Wish = Infallible;

    fn all(&self) -> Vec<Subscribe> {
        vec![Subscribe { key: Some(encode::bundles_key()), held: self.held.clone() }]
    }

    fn judge(&self, message: ControllerMessage) -> Verdict<Vec<Bundle>> {
        match (message.key.and_then(|key| key.kind), message.content) {
            (Some(Kind::Bundles(_)), Some(Content::Unchanged(_))) => Verdict::Held,
            (Some(Kind::Bundles(_)), Some(Content::Bundles(bundles))) => {
                match bundles.bundles.into_iter().map(read_bundle).collect() {
                    Ok(bundles) => Verdict::Apply(bundles),
                    Err(error) => Verdict::Refuse(error.to_string()),
                }
            }
            (Some(Kind::Bundles(_)), _) => Verdict::Refuse("the content doesn't belong to the key".into()),
            _ => Verdict::Stray,
        }
    }

    fn bundles(change: &Vec<Bundle>) -> Option<&[Bundle]> {
        Some(change)
    }

    /// Those of the own mesh alone: a peer of it needn't be a member of this hub.
    async fn apply(&mut self, change: &Vec<Bundle>) {
        for bundle in change.iter().filter(|bundle| bundle.trust_domain == self.own) {
            match self.trusted.upsert(bundle) {
                Ok(()) => drop(self.told.take().map(|told| told.send(()))),
                Err(error) => tracing::warn!(%error, "the mesh's roots can't be used: the old ones stay"),
            }
        }
    }

    fn hold(&mut self, _: Vec<Bundle>, version: String) {
        self.held = version;
    }

    async fn wish(&mut self) -> Infallible {
        pending().await
    }

    fn note(&mut self, wish: Infallible) {
        match wish {}
    }

    async fn fulfil(&mut self, wish: Infallible) -> Vec<Message> {
        match wish {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use isthmus_api::control::v1::{self as proto};
    use isthmus_identity::Authority;

    use super::*;

    fn bundle(domain: &str, sequence: u64) -> Bundle {
        let domain = TrustDomain::new(domain).unwrap();
        Authority::generate(domain, SystemTime::now(), Duration::from_hours(1)).unwrap().bundle(sequence)
    }

    fn message(bundles: &[Bundle]) -> ControllerMessage {
        let bundle = |bundle: &Bundle| proto::Bundle {
            trust_domain: bundle.trust_domain.to_string(),
            roots: bundle.roots.iter().map(|root| root.to_vec().into()).collect(),
            sequence: bundle.sequence,
        };
        let bundles = proto::Bundles { bundles: bundles.iter().map(bundle).collect() };
        let (key, version) = (Some(encode::bundles_key()), "v".to_owned());
        ControllerMessage { key, version, content: Some(Content::Bundles(bundles)) }
    }

    #[tokio::test]
    async fn the_own_meshs_roots_are_taken_beside_the_members() {
        let (own, peer, member) = (bundle("east.local", 2), bundle("north.local", 1), bundle("west.local", 1));
        let trusted = Arc::new(TrustStore::with(std::slice::from_ref(&member)).unwrap());
        let (told, known) = oneshot::channel();
        let mut roots = Roots::new(own.trust_domain.clone(), Arc::clone(&trusted), told);
        let Verdict::Apply(change) = roots.judge(message(&[own.clone(), peer])) else { panic!("refused") };
        roots.apply(&change).await;
        roots.hold(change, "v".to_owned());
        assert_eq!(trusted.bundles(), [own, member]);
        assert_eq!((known.await, roots.all()[0].held.as_str()), (Ok(()), "v"));
    }

    #[test]
    fn what_is_not_roots_is_refused() {
        let (told, _) = oneshot::channel();
        let roots = Roots::new(TrustDomain::new("east.local").unwrap(), Arc::new(TrustStore::new()), told);
        let empty = ControllerMessage { content: None, ..message(&[]) };
        assert!(matches!(roots.judge(empty), Verdict::Refuse(_)));
        assert_eq!(roots.judge(ControllerMessage { key: None, ..message(&[]) }), Verdict::Stray);
    }
}
