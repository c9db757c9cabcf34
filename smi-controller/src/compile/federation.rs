//! What is compiled from the meshes that are joined.

mod catalog;
mod check;
mod exports;
mod gateway;
mod imports;
mod outlook;
mod peers;

pub(super) use check::{of_export, of_import, of_mesh, of_peer};
pub(super) use exports::exports;
pub(crate) use gateway::routes;
pub(super) use imports::{of_service as import_of, remote, standing_in};
pub(crate) use outlook::{Imported, Outlook, outlook};
pub(crate) use peers::{bundles, in_force};

/// The port at which gateways take mesh TLS.
pub(crate) const GATEWAY_PORT: u16 = 15443;
/// The name of the gateways' Deployment, Service and ServiceAccount.
pub(crate) const GATEWAY: &str = "isthmus-gateway";
