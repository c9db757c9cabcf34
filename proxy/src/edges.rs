//! Who talks to whom, and how it goes: one edge for each pair of workloads, Service, backend and protocol.
//!
//! An [`Edge`] is found once for a connection or an endpoint; a request only adds to it. What reads them (metrics, the report to
//! the controller) takes its time, and none of the workers'.

mod callee;
mod caller;
mod counts;
mod edge;
pub(crate) mod families;
mod gone;
mod key;
mod render;
pub(crate) mod report;
mod status;
mod table;

pub(crate) use self::{
    callee::{Callees, Peer},
    caller::Caller,
    counts::Counts,
    edge::{Answer, Edge, Open},
    key::{Key, OTHER, Protocol},
    render::{Escaped, render},
    table::Edges,
};
