//! Telling users what became of their objects: conditions and Events, written by the lease's holder alone.

mod conditions;
mod digest;
mod due;
mod events;
mod shares;
mod waiting;
mod writer;

pub(crate) use events::raise;
pub(crate) use shares::Shares;
pub(crate) use waiting::WaitingMetrics;
pub(crate) use writer::Writer;
