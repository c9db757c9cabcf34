//! When to look again, and what to make of what was found. Pure.

use std::time::Duration;

use isthmus_core::id::TrustDomain;
use isthmus_identity::{Bundle, Document};

/// How often an endpoint is asked that doesn't say (SPIFFE Federation §5.1: five minutes).
pub const DEFAULT_POLL: Duration = Duration::from_mins(5);
/// The shortest time between two questions, whatever the endpoint says.
pub const SHORTEST_POLL: Duration = Duration::from_secs(10);
/// The longest: a root that was withdrawn mustn't be trusted for longer.
pub const LONGEST_POLL: Duration = Duration::from_hours(1);
/// After the first failure.
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// What was fetched isn't taken; what is held stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotTaken {
    /// The endpoint went back.
    #[error("{domain} publishes sequence {given}, but {held} is held: an older bundle isn't taken")]
    RolledBack {
        /// Whose bundle.
        domain: TrustDomain,
        /// The sequence held.
        held: u64,
        /// The sequence given.
        given: u64,
    },
}

/// When to ask again: `hint` is the endpoint's own wish, `failures` how often it hasn't answered in a row, `jitter` from 0 to 1.
pub fn next_poll(hint: Option<Duration>, failures: u32, jitter: f64) -> Duration {
    let regular = hint.unwrap_or(DEFAULT_POLL).clamp(SHORTEST_POLL, LONGEST_POLL);
    let pause = match failures.checked_sub(1) {
        None => regular,
        Some(more) => FIRST_RETRY.saturating_mul(1 << more.min(16)).min(regular),
    };
    // Up to a tenth earlier, so that many who began together don't stay together.
    pause.mul_f64(1.0 - 0.1 * jitter.clamp(0.0, 1.0))
}

/// The bundle to hold from now on. `None`: it is the one that is held. A document without a sequence counts as one later than
/// what is held, when it says something else.
pub fn take(held: Option<&Bundle>, found: Document) -> Result<Option<Bundle>, NotTaken> {
    let Document { bundle: mut given, sequence, .. } = found;
    let Some(held) = held else { return Ok(Some(given)) };
    if sequence.is_none() {
        given.sequence = held.sequence.saturating_add(u64::from(given.roots != held.roots));
    }
    if given.sequence < held.sequence {
        let domain = given.trust_domain;
        return Err(NotTaken::RolledBack { domain, held: held.sequence, given: given.sequence });
    }
    Ok((given != *held).then_some(given))
}
