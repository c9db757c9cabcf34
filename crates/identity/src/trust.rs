//! The roots that are trusted, by trust domain.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use isthmus_core::id::TrustDomain;

use crate::bundle::{BadBundle, Bundle, MAX_DOMAINS, Root};

/// The roots of every trusted domain: an immutable snapshot, swapped as a whole. Handshakes read the snapshot of
/// their own moment and take no lock.
#[derive(Debug, Default)]
pub struct TrustStore(ArcSwap<Snapshot>);

#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    domains: HashMap<TrustDomain, Domain>,
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
            let domain = Domain { roots: bundle.check()?, bundle: bundle.clone() };
            if domains.insert(bundle.trust_domain.clone(), domain).is_some() {
                return Err(BadBundle::Duplicate(bundle.trust_domain.clone()));
            }
        }
        self.0.store(Arc::new(Snapshot { domains }));
        Ok(())
    }

    /// The same, for bundles that may come late and out of order: none may be older than the one held.
    pub fn advance(&self, bundles: &[Bundle]) -> Result<(), BadBundle> {
        let held = self.0.load();
        for Bundle { trust_domain: domain, sequence: given, .. } in bundles {
            let held = held.domains.get(domain).map_or(0, |held| held.bundle.sequence);
            if *given < held {
                return Err(BadBundle::Overtaken { domain: domain.clone(), held, given: *given });
            }
        }
        self.replace(bundles)
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

impl Snapshot {
    /// One domain alone.
    pub(crate) fn of(bundle: Bundle, roots: Vec<Root>) -> Self {
        Self { domains: HashMap::from([(bundle.trust_domain.clone(), Domain { bundle, roots })]) }
    }

    /// The roots of one domain, and only of that one.
    pub(crate) fn roots(&self, domain: &TrustDomain) -> Option<&[Root]> {
        self.domains.get(domain).map(|d| d.roots.as_slice())
    }
}

#[cfg(test)]
mod tests;
