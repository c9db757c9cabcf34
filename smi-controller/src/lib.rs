//! The mesh's control plane over one cluster: watches Kubernetes, compiles SMI into what proxies need, serves it to
//! them, issues their identities, injects them into pods, and tells users what became of their objects.
//!
//! [`run`] is the whole of it; [`install::manifests`] are the objects that put it into a cluster.

mod admission;
pub mod annotations;
mod ca;
mod compile;
mod config;
mod fault;
mod federation;
#[cfg(fuzzing)]
pub mod fuzzing;
mod https;
mod identity;
mod index;
mod inject;
pub mod install;
mod json;
mod metrics;
mod names;
mod replicas;
mod run;
mod serve;
mod status;
mod telemetry;
#[cfg(test)]
mod testing;
mod watches;
mod webhook;

pub use ca::{CaError, PUBLISHED_ROOTS, PUBLISHED_ROOTS_ENTRY};
pub use config::{
    ADMIN_PORT, BUNDLE_PORT, Config, GRPC_PORT, InvalidSecretName, METRICS_API_PORT, NAME, SYSTEM_NAMESPACE,
    SecretName, Traces, WEBHOOK_PORT,
};
pub use run::{Error, run, run_with};
pub use telemetry::{BadTrust, BadUrl, PrometheusConfig, PrometheusError, PrometheusUrl};
pub use webhook::CertificateError;
