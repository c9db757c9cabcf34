//! What may be sent again, where, and how often: only what no application has begun to see, and never so much that a service
//! in trouble gets more of it.
//!
//! The rule doesn't look at methods. A request of which a byte may have reached the application isn't sent again, be it
//! idempotent or not (RFC 9110 §9.2.2 would let a GET be): the client knows better than the mesh what a repetition costs.

use std::time::Duration;

/// Attempts at one request, the first among them.
pub const TRIES: u32 = 3;
/// Retries that a backend is granted for each hundred requests of the last [`WINDOW`].
pub const PERCENT: u64 = 20;
/// Retries that it is granted each second besides, so that quiet services can be tried again too.
pub const FLOOR_PER_SECOND: u64 = 10;
/// How long requests and retries are remembered.
pub const WINDOW: Duration = Duration::from_secs(SLOTS as u64);

/// Slots of a second.
const SLOTS: usize = 10;

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// A connection that was used before had ended; nothing was written to it. It says nothing of the endpoint.
    Stale,
    /// Nobody took the request: no connection came about, or the endpoint's proxy says that its application takes none.
    Unreached,
    /// The endpoint gave the request back unprocessed: HTTP/2's REFUSED_STREAM, or a GOAWAY that leaves it out.
    Refused,
    /// A byte was sent, and no answer came.
    Lost,
}

impl Failure {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Stale, Self::Unreached, Self::Refused, Self::Lost];

    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::Unreached => "unreached",
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }
}

/// Where a request is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// On a new connection, to whichever endpoint is chosen.
    Anywhere,
    /// At an endpoint that wasn't tried, or at one that was when there is no other.
    Preferably,
    /// At an endpoint that wasn't tried.
    Elsewhere,
}

/// Why a request isn't tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Final {
    /// An application may have seen some of it, or it can't be put together again.
    Unsafe,
    /// It was tried often enough.
    Tries,
    /// The backend's budget is used up.
    Budget,
}

/// What follows a failure of attempt number `made` (the first is 1). `whole`: the request can still be sent from its beginning.
/// `moved`: the next attempt is at another tier of endpoints (`crate::failover`).
pub fn after(
    failure: Failure,
    made: u32,
    whole: bool,
    moved: bool,
    budget: &mut Budget,
    now: Duration,
) -> Result<Again, Final> {
    if failure == Failure::Lost || !whole {
        return Err(Final::Unsafe);
    }
    if made >= TRIES {
        return Err(Final::Tries);
    }
    match failure {
        // Nobody was asked anything yet: it isn't a second request to anyone.
        Failure::Stale => Ok(Again::Anywhere),
        // Those in trouble get no more of it, and the others what would have been theirs at once had it been known.
        Failure::Unreached if moved => Ok(Again::Elsewhere),
        _ if !budget.spend(now) => Err(Final::Budget),
        Failure::Refused => Ok(Again::Preferably),
        Failure::Unreached | Failure::Lost => Ok(Again::Elsewhere),
    }
}

/// How many retries a backend may cost: a share of its recent requests and a small floor. `now` is the time since an epoch of
/// the caller's choice; time that goes backwards counts as the latest second seen.
#[derive(Debug, Clone, Default)]
pub struct Budget {
    slots: [Slot; SLOTS],
    second: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    requests: u64,
    retries: u64,
}

impl Budget {
    /// Nothing was asked or retried yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a request, at its first attempt.
    pub fn request(&mut self, now: Duration) {
        self.slot(now).requests += 1;
    }

    /// Takes a retry out of the budget; false when there is none left.
    pub fn spend(&mut self, now: Duration) -> bool {
        self.slot(now);
        let sum = |of: fn(&Slot) -> u64| self.slots.iter().map(of).sum::<u64>();
        if sum(|s| s.retries) >= sum(|s| s.requests) * PERCENT / 100 + FLOOR_PER_SECOND * WINDOW.as_secs() {
            return false;
        }
        self.slot(now).retries += 1;
        true
    }

    /// The slot of the present second, the first; those of seconds that have left the window are emptied.
    fn slot(&mut self, now: Duration) -> &mut Slot {
        let passed = usize::try_from(now.as_secs().saturating_sub(self.second)).unwrap_or(SLOTS).min(SLOTS);
        if passed > 0 {
            self.slots.rotate_right(passed);
            self.slots.iter_mut().take(passed).for_each(|slot| *slot = Slot::default());
            self.second = now.as_secs();
        }
        let [newest, ..] = &mut self.slots;
        newest
    }
}

#[cfg(test)]
mod tests;
