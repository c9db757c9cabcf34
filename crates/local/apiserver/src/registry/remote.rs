//! Groups that an APIService gives to another server.

use isthmus_local_machinery::meta;
use serde_json::Value;

use super::condition;

/// One APIService with a Service behind it.
pub(crate) struct Remote {
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) version: String,
    /// Its condition `Available`.
    pub(crate) available: bool,
    /// The APIService.
    pub(crate) object: Value,
}

impl Remote {
    /// None for an APIService without a Service: its group is served here.
    pub(crate) fn read(object: &Value) -> Option<Self> {
        let spec = object.get("spec")?;
        spec.get("service").filter(|service| service.is_object())?;
        let text = |field: &str| spec.get(field).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            name: meta::name(object).to_owned(),
            group: text("group")?,
            version: text("version")?,
            available: condition(object, "Available"),
            object: object.clone(),
        })
    }
}
