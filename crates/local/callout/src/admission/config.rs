//! Webhook configurations as objects of the store, read with Kubernetes' defaults.

use std::borrow::Borrow;
use std::time::Duration;

use isthmus_local_machinery::status::ApiError;
use serde::Deserialize;
use serde_json::Value;

use super::rules::Rule;
use super::selector::Selector;
use crate::target::{Fault, Target};

/// One webhook, ready to be asked.
#[derive(Debug)]
pub(super) struct Webhook {
    pub(super) name: String,
    pub(super) target: Result<Target, Fault>,
    pub(super) rules: Vec<Rule>,
    /// `matchPolicy: Exact`: only in the versions that the rules name.
    pub(super) exact: bool,
    pub(super) namespaces: Selector,
    pub(super) objects: Selector,
    /// `failurePolicy: Ignore`
    pub(super) fail_open: bool,
    pub(super) timeout: Duration,
    /// May be asked in a dry run.
    pub(super) without_side_effects: bool,
    /// `reinvocationPolicy: IfNeeded`
    pub(super) reinvoke: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    name: String,
    #[serde(default)]
    client_config: Value,
    #[serde(default)]
    rules: Vec<Rule>,
    #[serde(default)]
    namespace_selector: Option<Selector>,
    #[serde(default)]
    object_selector: Option<Selector>,
    #[serde(default)]
    match_policy: Option<String>,
    #[serde(default)]
    failure_policy: Option<String>,
    #[serde(default)]
    timeout_seconds: Option<u64>,
    #[serde(default)]
    side_effects: Option<String>,
    #[serde(default)]
    reinvocation_policy: Option<String>,
    #[serde(default)]
    match_conditions: Vec<Value>,
}

/// The webhooks of these configurations, in the order in which they are asked. One that can't be read refuses the request:
/// what it would have forbidden is not known.
pub(super) fn webhooks(configs: &[impl Borrow<Value>]) -> Result<Vec<Webhook>, ApiError> {
    let name_of =
        |config: &Value| config.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut ordered: Vec<_> = configs.iter().map(|config| (name_of(config.borrow()), config.borrow())).collect();
    ordered.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut webhooks = Vec::new();
    for (config_name, config) in ordered {
        for wire in config.get("webhooks").and_then(Value::as_array).into_iter().flatten() {
            let name = wire.get("name").and_then(Value::as_str).unwrap_or(&config_name).to_owned();
            let unusable = |why: String| ApiError::internal(&format!("failed calling webhook {name:?}: {why}"));
            let wire = Wire::deserialize(wire).map_err(|error| unusable(error.to_string()))?;
            if !wire.match_conditions.is_empty() {
                return Err(unusable("matchConditions are not supported by this server".to_owned()));
            }
            webhooks.push(wire.into());
        }
    }
    Ok(webhooks)
}

impl From<Wire> for Webhook {
    fn from(wire: Wire) -> Self {
        let says = |field: &Option<String>, value: &str| field.as_deref() == Some(value);
        Self {
            target: Target::parse(&wire.client_config),
            rules: wire.rules,
            exact: says(&wire.match_policy, "Exact"),
            namespaces: wire.namespace_selector.unwrap_or_default(),
            objects: wire.object_selector.unwrap_or_default(),
            fail_open: says(&wire.failure_policy, "Ignore"),
            timeout: Duration::from_secs(wire.timeout_seconds.unwrap_or(10).clamp(1, 30)),
            without_side_effects: says(&wire.side_effects, "None") || says(&wire.side_effects, "NoneOnDryRun"),
            reinvoke: says(&wire.reinvocation_policy, "IfNeeded"),
            name: wire.name,
        }
    }
}
