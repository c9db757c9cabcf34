//! Bundle endpoints (SPIFFE Federation §5): where a trust domain publishes its roots, for whoever has no hub in common with it.
//!
//! Two profiles. `https_web`: the endpoint is known by its name, to the public authorities. `https_spiffe`: it is known by its SPIFFE
//! ID, and verified by the roots that are held of its trust domain.

mod fetch;
mod poll;
mod serve;
mod url;

pub use fetch::{FetchError, Fetcher, Profile};
pub use poll::{DEFAULT_POLL, LONGEST_POLL, NotTaken, SHORTEST_POLL, next_poll, take};
pub use serve::{serve, web_config};
pub use url::{BadUrl, EndpointUrl};

#[cfg(test)]
mod tests;
