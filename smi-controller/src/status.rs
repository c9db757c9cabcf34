//! Telling users what became of their objects: conditions and Events, written by the lease's holder alone.

mod conditions;
mod digest;
mod due;
mod events;
mod writer;

pub(crate) use events::raise;
pub(crate) use writer::Writer;
