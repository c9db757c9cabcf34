//! The downward API: fields of the pod, and amounts that a container asked for.

use k8s_openapi::api::core::v1::{Container, Pod, ResourceFieldSelector};

use super::Facts;

/// A field by its path, such as `metadata.name`, `metadata.labels['app']` or `status.podIP`.
pub(crate) fn pod_field(pod: &Pod, facts: &Facts, path: &str) -> Result<String, String> {
    let meta = &pod.metadata;
    let spec = pod.spec.as_ref();
    let text = |value: Option<&String>| value.cloned().unwrap_or_default();
    if let Some((map, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
        let map = match map {
            "metadata.labels" => meta.labels.as_ref(),
            "metadata.annotations" => meta.annotations.as_ref(),
            _ => return Err(unknown(path)),
        };
        return Ok(text(map.and_then(|map| map.get(key))));
    }
    Ok(match path {
        "metadata.name" => text(meta.name.as_ref()),
        "metadata.namespace" => text(meta.namespace.as_ref()),
        "metadata.uid" => text(meta.uid.as_ref()),
        "metadata.labels" => lines(meta.labels.as_ref()),
        "metadata.annotations" => lines(meta.annotations.as_ref()),
        "spec.nodeName" => facts.node_name.clone(),
        "spec.serviceAccountName" => text(spec.and_then(|spec| spec.service_account_name.as_ref())),
        "status.podIP" | "status.podIPs" => facts.pod_ip.clone(),
        "status.hostIP" | "status.hostIPs" => facts.host_ip.clone(),
        _ => return Err(unknown(path)),
    })
}

fn unknown(path: &str) -> String {
    format!(
        "fieldPath {path:?} is not one of metadata.*, spec.nodeName, spec.serviceAccountName, status.podIP(s), status.hostIP(s)"
    )
}

/// As the kubelet writes them: `key="value"`, one by line.
fn lines(map: Option<&std::collections::BTreeMap<String, String>>) -> String {
    let lines = map.into_iter().flatten().map(|(key, value)| format!("{key}={value:?}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// An amount that a container asked for or is limited to, in units of the divisor, rounded up. Zero when it said nothing.
pub(crate) fn resource_field(pod: &Pod, own: &Container, field: &ResourceFieldSelector) -> Result<String, String> {
    let named = field.container_name.as_deref().filter(|name| !name.is_empty());
    let container = match (named, pod.spec.as_ref()) {
        (Some(name), Some(spec)) => {
            let mut all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
            all.find(|container| container.name == name).ok_or_else(|| format!("there is no container {name:?}"))?
        }
        _ => own,
    };
    let resources = container.resources.as_ref();
    let (map, name) = match field.resource.split_once('.') {
        Some(("limits", name)) => (resources.and_then(|resources| resources.limits.as_ref()), name),
        Some(("requests", name)) => (resources.and_then(|resources| resources.requests.as_ref()), name),
        _ => return Err(format!("resource {:?} is not limits.* or requests.*", field.resource)),
    };
    let milli = |text: &str| milli(text).ok_or_else(|| format!("{text:?} is not a quantity"));
    let amount = map.and_then(|map| map.get(name)).map_or(Ok(0), |quantity| milli(&quantity.0))?;
    let divisor = field.divisor.as_ref().map_or(Ok(1000), |quantity| milli(&quantity.0))?;
    let divisor = if divisor == 0 { 1000 } else { divisor };
    Ok(amount.div_ceil(divisor).to_string())
}

/// A quantity in thousandths.
fn milli(text: &str) -> Option<u128> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
    let thousandths = whole.parse::<u128>().ok()?.checked_mul(1000)?.checked_add(fraction.parse().ok()?)?;
    let power = |base: u128, exponent: u32| base.checked_pow(exponent)?.checked_mul(thousandths);
    match unit {
        "m" => Some(thousandths / 1000),
        "" => Some(thousandths),
        "k" => power(1000, 1),
        "M" => power(1000, 2),
        "G" => power(1000, 3),
        "T" => power(1000, 4),
        "Ki" => power(1024, 1),
        "Mi" => power(1024, 2),
        "Gi" => power(1024, 3),
        "Ti" => power(1024, 4),
        _ => None,
    }
}
