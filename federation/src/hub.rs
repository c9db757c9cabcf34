//! The hub: keeps who has joined, and relays what members tell each other.
//!
//! It is trusted with availability only. What it holds of a mesh is what that mesh has signed, so a hub that is gone, or
//! was restarted with nothing, costs no more than the time until the members have said it all again.

mod admission;
mod allowance;
mod hear;
mod heard;
mod kubernetes;
mod log;
mod metrics;
mod run;
mod say;
mod serve;
mod session;
mod shared;
mod state;
mod store;

pub use admission::{Admission, NotAdmitted};
pub use hear::Keep;
pub use kubernetes::Kubernetes;
pub use metrics::Metrics;
pub use run::{Config, Error, run};
pub use serve::{ServeError, serve};
pub use session::SessionId;
pub use shared::Hub;
pub use state::{MemberRecord, State, Stored, Tally};
pub use store::{Kept, Memory, Store, StoreError};
