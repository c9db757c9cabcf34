//! The roots that are trusted, by trust domain.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use isthmus_core::id::TrustDomain;

use crate::bundle::{BadBundle, Bundle, MAX_DOMAINS, Root};

/// The roots of every trusted domain: an immutable snapshot, swapped as a whole. Handshakes read the snapshot of
/// their own moment and take no lock.
#[derive(Debug, Default)]
pub struct TrustStore(ArcSwap<Snapshot>);

#[derive(Debug, Default, Clone)]
pub(crate) struct Snapshot {
    domains: HashMap<TrustDomain, Arc<Domain>>,
}

#[derive(Debug)]
struct Domain {
    bundle: Bundle,
    roots: Vec<Root>,
}

impl TrustStore {
    /// A store that trusts nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store that trusts these.
    pub fn with(bundles: &[Bundle]) -> Result<Self, BadBundle> {
        let store = Self::new();
        store.replace(bundles)?;
        Ok(store)
    }

    /// Trusts these and no others from now on; a domain that isn't named is distrusted. On an error nothing has
    /// changed. Connections that are open already are the caller's to close.
    pub fn replace(&self, bundles: &[Bundle]) -> Result<(), BadBundle> {
        if bundles.len() > MAX_DOMAINS {
            return Err(BadBundle::TooManyDomains(bundles.len()));
        }
        let mut domains = HashMap::with_capacity(bundles.len());
        for bundle in bundles {
            if domains.insert(bundle.trust_domain.clone(), Domain::of(bundle)?).is_some() {
                return Err(BadBundle::Duplicate(bundle.trust_domain.clone()));
            }
        }
        self.0.store(Arc::new(Snapshot { domains }));
        Ok(())
    }

    /// The same, for bundles that may come late and out of order: none may be older than the one held.
    pub fn advance(&self, bundles: &[Bundle]) -> Result<(), BadBundle> {
        let held = self.0.load();
        bundles.iter().try_for_each(|bundle| held.not_overtaken(bundle))?;
        self.replace(bundles)
    }

    /// Trusts this bundle in the place of the one held for its domain, which may not be newer; other domains stay as
    /// they are. On an error nothing has changed.
    pub fn upsert(&self, bundle: &Bundle) -> Result<(), BadBundle> {
        let domain = Domain::of(bundle)?;
        let mut outcome = Ok(());
        // Tried again when another change came between.
        self.0.rcu(|held| match held.with(&domain) {
            Ok(next) => {
                outcome = Ok(());
                Arc::new(next)
            }
            Err(error) => {
                outcome = Err(error);
                Arc::clone(held)
            }
        });
        outcome
    }

    /// Distrusts one domain from now on; other domains stay as they are. Was it trusted? Connections that are open
    /// already are the caller's to close.
    pub fn remove(&self, domain: &TrustDomain) -> bool {
        let before = self.0.rcu(|held| {
            let mut next = Snapshot::clone(held);
            next.domains.remove(domain);
            next
        });
        before.domains.contains_key(domain)
    }

    /// What is trusted for one domain.
    pub fn bundle(&self, domain: &TrustDomain) -> Option<Bundle> {
        self.0.load().domains.get(domain).map(|held| held.bundle.clone())
    }

    /// Are there roots for this domain?
    pub fn trusts(&self, domain: &TrustDomain) -> bool {
        self.0.load().domains.contains_key(domain)
    }

    /// What is trusted, in the order of the domains' names.
    pub fn bundles(&self) -> Vec<Bundle> {
        let mut bundles: Vec<_> = self.0.load().domains.values().map(|d| d.bundle.clone()).collect();
        bundles.sort_by(|a, b| a.trust_domain.cmp(&b.trust_domain));
        bundles
    }

    pub(crate) fn snapshot(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.0.load()
    }
}

impl Domain {
    fn of(bundle: &Bundle) -> Result<Arc<Self>, BadBundle> {
        Ok(Arc::new(Self { roots: bundle.check()?, bundle: bundle.clone() }))
    }
}

impl Snapshot {
    /// One domain alone.
    pub(crate) fn of(bundle: Bundle, roots: Vec<Root>) -> Self {
        Self { domains: HashMap::from([(bundle.trust_domain.clone(), Arc::new(Domain { bundle, roots }))]) }
    }

    fn not_overtaken(&self, bundle: &Bundle) -> Result<(), BadBundle> {
        let held = self.domains.get(&bundle.trust_domain).map_or(0, |held| held.bundle.sequence);
        let (domain, given) = (bundle.trust_domain.clone(), bundle.sequence);
        if given < held { Err(BadBundle::Overtaken { domain, held, given }) } else { Ok(()) }
    }

    fn with(&self, domain: &Arc<Domain>) -> Result<Self, BadBundle> {
        self.not_overtaken(&domain.bundle)?;
        let mut next = self.clone();
        next.domains.insert(domain.bundle.trust_domain.clone(), Arc::clone(domain));
        if next.domains.len() > MAX_DOMAINS { Err(BadBundle::TooManyDomains(next.domains.len())) } else { Ok(next) }
    }

    /// The roots of one domain, and only of that one.
    pub(crate) fn roots(&self, domain: &TrustDomain) -> Option<&[Root]> {
        self.domains.get(domain).map(|d| d.roots.as_slice())
    }
}

#[cfg(test)]
mod tests;
