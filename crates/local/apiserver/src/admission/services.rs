//! ClusterIPs and node ports.

mod node_ports;

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use isthmus_local_machinery::meta;
use isthmus_local_machinery::status::{ApiError, Cause};
use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::core::Core;
use crate::ids;

/// Gives a Service its ClusterIP and its node ports, or checks those that it asks for. The caller holds
/// [`Core::address_lock`].
pub(super) fn assign(core: &Core, call: &Call, live: Option<&Value>, service: &mut Value) -> Result<(), ApiError> {
    cluster_ip(core, call, live, service)?;
    node_ports::assign(core, call, live, service)
}

fn cluster_ip(core: &Core, call: &Call, live: Option<&Value>, service: &mut Value) -> Result<(), ApiError> {
    let name = meta::name(service).to_owned();
    let invalid = |cause| Err(ApiError::invalid("", "Service", &name, vec![cause]));
    let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) else { return Ok(()) };
    if spec.get("type").and_then(Value::as_str) == Some("ExternalName") {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            spec.remove(field);
        }
        return Ok(());
    }
    let asked = text(spec, "clusterIP");
    let had = live.and_then(|live| live.get("spec")).and_then(Value::as_object).map(|spec| text(spec, "clusterIP"));
    let had = had.unwrap_or_default();
    let field = "spec.clusterIPs[0]";
    let address = match (asked.as_str(), had.as_str()) {
        ("", "") => {
            let taken = taken(core, call, &name);
            let Some(free) = core.services.free(ids::number(), |address| taken.contains(&address)) else {
                let why = "failed to allocate a serviceIP: range is full";
                return Err(ApiError::internal(why));
            };
            free.to_string()
        }
        ("", had) => had.to_owned(),
        (asked, had) if asked == had || asked == "None" && had.is_empty() => asked.to_owned(),
        (asked, had) if !had.is_empty() => {
            return invalid(Cause::invalid(field, &json!([asked]), "may not change once set"));
        }
        (asked, _) => {
            let Some(address) = asked.parse::<Ipv4Addr>().ok().filter(|address| core.services.assignable(*address))
            else {
                let why = "failed to allocate IP: the provided IP is not in the valid range of ClusterIPs";
                return invalid(Cause::invalid(field, &json!([asked]), why));
            };
            if taken(core, call, &name).contains(&address) {
                let why = format!("failed to allocate IP {asked}: provided IP is already allocated");
                return invalid(Cause::invalid(field, &json!([asked]), &why));
            }
            asked.to_owned()
        }
    };
    spec.insert("clusterIP".to_owned(), json!(address));
    spec.insert("clusterIPs".to_owned(), json!([address]));
    spec.entry("ipFamilies").or_insert_with(|| json!(["IPv4"]));
    spec.entry("ipFamilyPolicy").or_insert_with(|| json!("SingleStack"));
    Ok(())
}

/// The ClusterIPs of all other Services.
fn taken(core: &Core, call: &Call, name: &str) -> HashSet<Ipv4Addr> {
    let address = |object: &Value| object.pointer("/spec/clusterIP")?.as_str()?.parse().ok();
    others(core, call, name).filter_map(|object| address(&object)).collect()
}

/// All Services but the call's own.
fn others(core: &Core, call: &Call, name: &str) -> impl Iterator<Item = Arc<Value>> {
    let own = core.store.list("/services", None).entries.into_iter();
    let others = own.filter(move |e| (e.key.namespace.as_deref(), &*e.key.name) != (call.namespace.as_deref(), name));
    others.map(|entry| entry.object)
}

fn text(spec: &Map<String, Value>, field: &str) -> String {
    spec.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}
