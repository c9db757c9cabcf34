//! The model of the mesh and every decision it takes.
//!
//! Nothing here does IO, reads a clock or draws randomness: time and chance are arguments. So each rule
//! (matching, splitting, balancing, retrying, authorizing) can be tested by vectors, properties and a simulated clock.

pub mod authorize;
pub mod balance;
pub mod broken;
pub mod deny;
pub mod destination;
pub mod failover;
pub mod federation;
pub mod gateway;
pub mod http_match;
pub mod id;
pub mod inbound;
pub mod rate;
pub mod retry;
pub mod shares;
pub mod split;
pub mod telemetry;
pub mod trace;
