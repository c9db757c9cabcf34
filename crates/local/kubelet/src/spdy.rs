//! SPDY/3.1, as far as Kubernetes' streaming protocols use it: many byte streams over one connection.
//!
//! No party to these protocols counts windows, so neither does this: a stream whose reader is slow stops its connection, and TCP does
//! the rest.

pub(crate) mod connection;
mod dictionary;
mod frame;
mod headers;

pub(crate) use connection::{Connection, Reader, Stream, Writer};
#[cfg(any(test, fuzzing))]
pub(crate) use frame::{Codec, Frame};
#[cfg(test)]
pub(crate) use headers::Headers;
