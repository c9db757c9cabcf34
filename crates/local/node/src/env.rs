//! A container's environment.

mod expand;
pub(crate) mod field;
#[cfg(test)]
mod tests;

pub(crate) use expand::expand;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Container, EnvVarSource, Pod, Secret};

/// Where values come from that aren't in the pod.
pub(crate) trait Sources {
    fn config_map(&self, namespace: &str, name: &str) -> Option<std::sync::Arc<ConfigMap>>;
    fn secret(&self, namespace: &str, name: &str) -> Option<std::sync::Arc<Secret>>;
}

/// A variable whose value isn't to be had; the container waits with this text in its status.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EnvError {
    #[error("{kind} {name:?} not found")]
    Missing { kind: &'static str, name: String },
    #[error("couldn't find key {key:?} in {kind} {name:?}")]
    Key { kind: &'static str, name: String, key: String },
    #[error("variable {variable:?}: {why}")]
    Value { variable: String, why: String },
}

/// Facts of the pod's run that its object may not hold yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) pod_ip: String,
    pub(crate) host_ip: String,
    pub(crate) node_name: String,
}

/// The variables in order: `base` first, then `envFrom`, then `env`; a later one of the same name takes an earlier one's place.
pub(crate) fn build(
    pod: &Pod,
    container: &Container,
    facts: &Facts,
    base: &[(String, String)],
    sources: &dyn Sources,
) -> Result<Vec<(String, String)>, EnvError> {
    let mut env: BTreeMap<String, String> = base.iter().cloned().collect();
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    for from in container.env_from.iter().flatten() {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        let mut take = |data: BTreeMap<String, String>| {
            env.extend(data.into_iter().map(|(key, value)| (format!("{prefix}{key}"), value)));
        };
        if let Some(source) = &from.config_map_ref {
            take(config_map(sources, namespace, &source.name, source.optional)?);
        }
        if let Some(source) = &from.secret_ref {
            take(secret(sources, namespace, &source.name, source.optional)?);
        }
    }
    for variable in container.env.iter().flatten() {
        let value = match &variable.value_from {
            Some(source) => match value_from(pod, container, facts, &variable.name, source, namespace, sources)? {
                Some(value) => value,
                None => continue,
            },
            None => expand(variable.value.as_deref().unwrap_or_default(), |name| env.get(name).cloned()),
        };
        env.insert(variable.name.clone(), value);
    }
    if let Some((name, _)) =
        env.iter().find(|(name, value)| name.is_empty() || name.contains(['=', '\0']) || value.contains('\0'))
    {
        return Err(EnvError::Value {
            variable: name.clone(),
            why: "holds a byte that no process can be given".into(),
        });
    }
    Ok(env.into_iter().collect())
}

fn value_from(
    pod: &Pod,
    container: &Container,
    facts: &Facts,
    variable: &str,
    source: &EnvVarSource,
    namespace: &str,
    sources: &dyn Sources,
) -> Result<Option<String>, EnvError> {
    let pick = |data: BTreeMap<String, String>, kind, name: &str, key: &str, optional: Option<bool>| match data.get(key)
    {
        Some(value) => Ok(Some(value.clone())),
        None if optional == Some(true) => Ok(None),
        None => Err(EnvError::Key { kind, name: name.to_owned(), key: key.to_owned() }),
    };
    if let Some(from) = &source.config_map_key_ref {
        let data = config_map(sources, namespace, &from.name, from.optional)?;
        return pick(data, "configmap", &from.name, &from.key, from.optional);
    }
    if let Some(from) = &source.secret_key_ref {
        let data = secret(sources, namespace, &from.name, from.optional)?;
        return pick(data, "secret", &from.name, &from.key, from.optional);
    }
    let value = match (&source.field_ref, &source.resource_field_ref) {
        (Some(from), _) => field::pod_field(pod, facts, &from.field_path),
        (None, Some(from)) => field::resource_field(pod, container, from),
        (None, None) => Err("valueFrom names no source".to_owned()),
    };
    value.map(Some).map_err(|why| EnvError::Value { variable: variable.to_owned(), why })
}

fn config_map(
    sources: &dyn Sources,
    namespace: &str,
    name: &str,
    optional: Option<bool>,
) -> Result<BTreeMap<String, String>, EnvError> {
    match sources.config_map(namespace, name) {
        Some(object) => Ok(object.data.clone().unwrap_or_default()),
        None if optional == Some(true) => Ok(BTreeMap::new()),
        None => Err(EnvError::Missing { kind: "configmap", name: name.to_owned() }),
    }
}

fn secret(
    sources: &dyn Sources,
    namespace: &str,
    name: &str,
    optional: Option<bool>,
) -> Result<BTreeMap<String, String>, EnvError> {
    match sources.secret(namespace, name) {
        Some(object) => {
            let data = object.data.clone().unwrap_or_default();
            Ok(data.into_iter().map(|(key, value)| (key, String::from_utf8_lossy(&value.0).into_owned())).collect())
        }
        None if optional == Some(true) => Ok(BTreeMap::new()),
        None => Err(EnvError::Missing { kind: "secret", name: name.to_owned() }),
    }
}
