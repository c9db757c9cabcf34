//! YAML of ours, read strictly.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads one document. By way of JSON, for there an enum is what it is in Kubernetes: a map of one key.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    serde_json::from_value(value).map_err(|error| error.to_string())
}
