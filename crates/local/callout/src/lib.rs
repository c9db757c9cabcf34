//! What the API server asks of others over HTTPS: admission and conversion webhooks, aggregated APIs, the kubelet.
//!
//! [`Callout`] is the one handle; its methods are spread over the modules by whom they ask:
//! - [`admission`]: mutating and validating webhooks,
//! - [`conversion`]: the webhook of a CustomResourceDefinition,
//! - [`aggregation`]: the server behind an APIService,
//! - [`tunnel`]: the kubelet, for logs, exec and port-forward.
//!
//! How a connection is made ([`Dial`]: the cluster's addresses exist only in its own network namespace) and where a Service
//! is ([`Services`]) is the caller's to say. Every answer is bounded in size and time by [`Limits`]. Texts of failures are
//! those of kube-apiserver where it has one. No public root certificates are trusted: what is called over TLS must bring
//! its `caBundle`.

pub mod admission;
pub mod aggregation;
mod callout;
pub mod conversion;
mod dial;
mod forward;
mod https;
mod target;
mod tls;
pub mod tunnel;
mod user;

pub use callout::{Callout, Limits};
pub use dial::{Dial, HostDial, Services};
pub use forward::{Body, BoxError};
pub use target::ServiceReference;
pub use tls::{ClientCertificate, TlsError};
pub use user::User;

#[cfg(test)]
mod testing;
