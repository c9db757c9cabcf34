//! One backend of a destination: its endpoints in tiers, and the choice among them.

use std::{
    cell::{OnceCell, RefCell},
    ops::Range,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use isthmus_core::{
    balance::{self, Standing},
    destination::Endpoint,
    failover::{self, Ability, Failover, Offer},
    retry::Budget,
};

use crate::{
    access_log::Memo,
    edges::{Callees, Edge, Protocol},
    endpoint::EndpointState,
    worker::Worker,
};

/// One backend with its endpoints and counters.
pub(crate) struct BackendState {
    pub(crate) destination: Arc<str>,
    /// `namespace/service`, or the workload.
    pub(crate) name: Arc<str>,
    pub(crate) split: Option<Arc<str>>,
    edges: Callees,
    pub(crate) kept: Kept,
    /// Tier by tier, and in each the fresh ones first. An endpoint's place is the backend's own: another may see it otherwise.
    endpoints: Vec<Rc<EndpointState>>,
    priorities: Vec<u8>,
    tiers: Vec<Tier>,
    memos: OnceCell<Box<[RefCell<Known>]>>,
}

/// What lines of the access log say of an endpoint, as long as it is whom it was then.
type Known = Option<(u32, Rc<Memo>)>;

/// What outlives changes of a backend's endpoints.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    /// What retries may cost.
    pub(crate) budget: Rc<RefCell<Budget>>,
    failover: Rc<RefCell<Failover>>,
}

/// Endpoints of one priority.
#[derive(Debug, PartialEq, Eq)]
struct Tier {
    /// Those of which what is known is fresh.
    fresh: Range<usize>,
    /// Those that are called only while no fresh one can be.
    stale: Range<usize>,
}

/// What a choice is made for.
pub(crate) struct Search<'a> {
    /// Endpoints that were tried before, by their index.
    pub(crate) tried: &'a [usize],
    /// Attempts that may still be made, this one among them.
    pub(crate) left: u32,
    /// It may be sent to a tier in doubt, if none was for so long.
    pub(crate) probe: Option<Duration>,
}

/// An endpoint, and its place in the backend.
#[derive(Clone, Copy)]
pub(crate) struct Chosen<'a> {
    pub(crate) index: usize,
    pub(crate) tier: usize,
    pub(crate) endpoint: &'a Rc<EndpointState>,
}

impl BackendState {
    pub(crate) fn new(
        destination: Arc<str>,
        name: Arc<str>,
        split: Option<Arc<str>>,
        edges: Callees,
        kept: Kept,
        endpoints: impl Iterator<Item = (Endpoint, Rc<EndpointState>)>,
    ) -> Self {
        let mut placed: Vec<_> = endpoints.map(|(endpoint, state)| (place(&endpoint), state)).collect();
        placed.sort_by_key(|(place, _)| *place);
        let places: Vec<_> = placed.iter().map(|(place, _)| *place).collect();
        let (priorities, tiers) = tiers_of(&places);
        let endpoints = placed.into_iter().map(|(_, state)| state).collect();
        if let [only] = *priorities {
            kept.failover.borrow_mut().only(only);
        }
        Self { destination, name, split, edges, kept, endpoints, priorities, tiers, memos: OnceCell::new() }
    }

    /// One endpoint that is called directly.
    pub(crate) fn single(destination: Arc<str>, name: Arc<str>, endpoint: Rc<EndpointState>, edges: Callees) -> Self {
        let endpoints = std::iter::once((endpoint.endpoint.clone(), endpoint));
        Self::new(destination, name, None, edges, Kept::default(), endpoints)
    }

    /// Counts on the edge to an endpoint, by its place, or to none that was found.
    pub(crate) fn on_edge(&self, index: Option<usize>, protocol: Protocol, count: impl FnOnce(&Arc<Edge>)) {
        let chosen = index.and_then(|index| Some((index, &self.endpoints.get(index)?.peer)));
        self.edges.on_edge(chosen, self.endpoints.len(), protocol, count);
    }

    /// The endpoint at this place.
    pub(crate) fn endpoint(&self, index: usize) -> Option<&EndpointState> {
        self.endpoints.get(index).map(|endpoint| &**endpoint)
    }

    /// What the lines of the access log have in common that tell of the endpoint at this place.
    pub(crate) fn memo(&self, index: usize) -> Option<Rc<Memo>> {
        let memos = self.memos.get_or_init(|| self.endpoints.iter().map(|_| RefCell::default()).collect());
        let now = self.endpoints.get(index)?.peer.borrow().0;
        Some(known(&mut memos.get(index)?.borrow_mut(), now))
    }

    /// How many endpoints there are.
    pub(crate) fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// The endpoint to try next, none of those tried before.
    pub(crate) fn choose(&self, worker: &Worker, search: &Search<'_>) -> Option<Chosen<'_>> {
        let look = Look { backend: self, now: worker.now(), tried: search.tried };
        let (tier, index) = match &*self.tiers {
            [only] => (0, look.within(only, worker.chance())?),
            tiers => look.among(tiers, search, worker.chance())?,
        };
        Some(Chosen { index, tier, endpoint: self.endpoints.get(index)? })
    }
}

/// The memo of an endpoint that is by now the one of this number.
fn known(known: &mut Known, now: u32) -> Rc<Memo> {
    let (_, memo) = match known.take() {
        Some((then, memo)) if then == now => known.insert((then, memo)),
        _ => known.insert((now, Rc::default())),
    };
    Rc::clone(memo)
}

/// An endpoint's priority, and whether what is known of it is stale.
fn place(endpoint: &Endpoint) -> (u8, bool) {
    (endpoint.priority, endpoint.remote.as_ref().is_some_and(|remote| remote.stale))
}

/// The tiers of endpoints in the order of their places.
fn tiers_of(places: &[(u8, bool)]) -> (Vec<u8>, Vec<Tier>) {
    let mut begin = 0;
    let tier = |of: &[(u8, bool)]| {
        let (fresh, stale) = (begin + of.partition_point(|(_, stale)| !stale), begin + of.len());
        let tier = Tier { fresh: begin..fresh, stale: fresh..stale };
        begin = stale;
        (of.first().map_or(0, |(priority, _)| *priority), tier)
    };
    places.chunk_by(|(a, _), (b, _)| a == b).map(tier).unzip()
}

/// The endpoints at one moment, as one request sees them.
struct Look<'a> {
    backend: &'a BackendState,
    now: Duration,
    tried: &'a [usize],
}

impl Look<'_> {
    fn standing(&self, index: usize) -> Option<Standing> {
        Some(self.backend.endpoints.get(index)?.standing(self.now))
    }

    /// The standings of those that weren't tried.
    fn untried(&self, index: usize) -> Option<Standing> {
        if self.tried.contains(&index) { None } else { self.standing(index) }
    }

    fn has_open(&self, range: &Range<usize>) -> bool {
        range.clone().filter_map(|index| self.untried(index)).any(|standing| standing.is_open())
    }

    fn choose(&self, range: Range<usize>, chance: u64) -> Option<usize> {
        balance::choose(range.len(), chance, |n| self.untried(range.start + n)).map(|n| range.start + n)
    }

    /// One of a tier: a fresh one as long as one can be called, else a stale one; and when none can, the one that may be first.
    fn within(&self, tier: &Tier, chance: u64) -> Option<usize> {
        if tier.stale.is_empty() || self.has_open(&tier.fresh) {
            return self.choose(tier.fresh.clone(), chance);
        }
        let stale = self.has_open(&tier.stale).then(|| self.choose(tier.stale.clone(), chance)).flatten();
        stale.or_else(|| self.choose(tier.fresh.start..tier.stale.end, chance))
    }

    fn among(&self, tiers: &[Tier], search: &Search<'_>, chance: u64) -> Option<(usize, usize)> {
        let ability = |tier: usize| tiers.get(tier).map_or(Ability::None, |tier| self.ability(tier));
        let mut failover = self.backend.kept.failover.borrow_mut();
        let first = failover.first(self.now, &self.backend.priorities, search.probe, ability)?.tier();
        let offer = |tier: usize| tiers.get(tier).map_or(Offer { open: false, tried: true }, |tier| self.offer(tier));
        let within = |tier: usize| Some((tier, self.within(tiers.get(tier)?, chance)?));
        match failover::for_attempt(first, tiers.len(), search.left, offer) {
            Some(tier) => within(tier),
            None => std::iter::once(first).chain(0..tiers.len()).find_map(within),
        }
    }

    /// What a tier can do, whatever this request has tried.
    fn ability(&self, tier: &Tier) -> Ability {
        let mut best = Ability::None;
        for standing in (tier.fresh.start..tier.stale.end).filter_map(|index| self.standing(index)) {
            match standing.is_open() {
                true if !standing.in_doubt => return Ability::Full,
                true => best = Ability::InDoubt,
                false => {}
            }
        }
        best
    }

    fn offer(&self, tier: &Tier) -> Offer {
        let all = tier.fresh.start..tier.stale.end;
        Offer { open: self.has_open(&all), tried: self.tried.iter().any(|index| all.contains(index)) }
    }
}

#[cfg(test)]
mod tests;
