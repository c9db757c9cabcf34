//! The HTTPS server that the API server asks before it stores objects.

mod bundle;
mod certificate;
mod conversion;
mod definitions;
mod review;
mod server;

pub(crate) use bundle::keep_bundle;
pub(crate) use certificate::Certificate;
pub use certificate::CertificateError;
#[cfg(fuzzing)]
pub(crate) use review::read;
pub(crate) use review::{Answer, Request};
pub(crate) use server::Server;

#[cfg(test)]
mod tests;
