//! Bodies of the metrics API as the servers of several meshes write them: nearly everything may be absent, or null.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A TrafficMetricsList.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct List {
    #[serde(deserialize_with = "lenient")]
    pub(super) items: Vec<Item>,
}

/// A TrafficMetrics.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Item {
    #[serde(deserialize_with = "lenient")]
    pub(super) resource: Reference,
    #[serde(deserialize_with = "lenient")]
    pub(super) edge: Edge,
    pub(super) backend: Option<Backend>,
    #[serde(deserialize_with = "lenient")]
    pub(super) window: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) metrics: Vec<Metric>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reference {
    #[serde(deserialize_with = "lenient")]
    pub(super) kind: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) namespace: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) name: String,
    /// The other mesh that it is in; ours alone says that.
    #[serde(deserialize_with = "lenient")]
    pub(super) mesh: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Edge {
    #[serde(deserialize_with = "lenient")]
    pub(super) direction: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) side: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) resource: Reference,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Backend {
    #[serde(deserialize_with = "lenient")]
    pub(super) apex: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) name: String,
    /// A whole number; of the oldest splits, a Quantity.
    pub(super) weight: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Metric {
    #[serde(deserialize_with = "lenient")]
    pub(super) name: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) unit: String,
    /// A Quantity.
    pub(super) value: Value,
}

/// Null is as if it were absent.
fn lenient<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(from)?.unwrap_or_default())
}
