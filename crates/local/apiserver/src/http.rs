//! HTTP: what a request asks for, what an answer looks like, and the connections between.

pub(crate) mod body;
pub(crate) mod connection;
pub(crate) mod negotiate;
pub(crate) mod query;
pub(crate) mod reply;
pub(crate) mod target;
pub(crate) mod tls;
