//! TrafficMetrics: what proxies have seen of the traffic, and the aggregated API that answers from it.

mod api;
mod body;
mod discovery;
mod front_proxy;
mod kind;
#[cfg(test)]
mod limits;
mod model;
mod objects;
mod places;
mod prometheus;
mod quantity;
mod request;
mod source;
mod status;
mod store;
mod sums;
mod table;
mod tap;
mod traffic;
mod window;

pub(crate) use api::{Server, Sources};
pub use front_proxy::BadTrust;
pub(crate) use front_proxy::FrontProxy;
pub(crate) use model::{Direction, End, Observation, Totals};
pub(crate) use prometheus::Prometheus;
pub use prometheus::{BadUrl, PrometheusConfig, PrometheusError, PrometheusUrl};
pub(crate) use request::{GROUP, VERSION};
pub(crate) use source::{Answer, Keep, Of, Query, Source, SourceError};
pub(crate) use store::LONGEST;
pub(crate) use sums::shares;
pub(crate) use tap::{GROUP as TAP_GROUP, VERSION as TAP_VERSION};
pub(crate) use traffic::Traffic;
