//! Node ports: numbers that no two Services share.
//!
//! The numbers are given out, kept and released as kube-apiserver does. Nothing listens on them: the cluster's only node is
//! a network namespace, and routing from the host into it is not this server's business.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use isthmus_local_machinery::meta;
use isthmus_local_machinery::status::{ApiError, Cause};
use serde_json::{Value, json};

use super::others;
use crate::call::Call;
use crate::core::Core;
use crate::ids;

/// kube-apiserver's default `--service-node-port-range`.
const RANGE: RangeInclusive<u64> = 30000..=32767;

/// A number for one protocol: TCP and UDP do not get in each other's way.
type Taken = HashSet<(String, u64)>;

pub(super) fn assign(core: &Core, call: &Call, live: Option<&Value>, service: &mut Value) -> Result<(), ApiError> {
    let name = meta::name(service).to_owned();
    let kind = service.pointer("/spec/type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let asks = service.pointer("/spec/allocateLoadBalancerNodePorts").and_then(Value::as_bool).unwrap_or(true);
    let had = live.map(kept).unwrap_or_default();
    let typed = matches!(kind.as_str(), "NodePort" | "LoadBalancer");
    let needed = kind == "NodePort" || kind == "LoadBalancer" && asks;
    let Some(ports) = service.pointer_mut("/spec/ports").and_then(Value::as_array_mut) else { return Ok(()) };
    if !typed {
        return release(&name, live, &had, ports);
    }
    let mut taken: Taken = others(core, call, &name).flat_map(|other| held(&other)).collect();
    // What is asked for goes before what is free, lest the one take the other's number.
    for (index, port) in ports.iter().enumerate() {
        let number = number(port);
        if number == 0 {
            continue;
        }
        let field = format!("spec.ports[{index}].nodePort");
        let refused = |why: &str| {
            let cause = Cause::invalid(field.clone(), &json!(number), why);
            Err(ApiError::invalid("", "Service", &name, vec![cause]))
        };
        if !RANGE.contains(&number) {
            return refused("provided port is not in the valid range. The range of valid ports is 30000-32767");
        }
        if !taken.insert((protocol(port), number)) {
            return refused("provided port is already allocated");
        }
    }
    for port in ports.iter_mut().filter(|port| number(port) == 0) {
        let protocol = protocol(port);
        let before = had.get(&identity(port)).copied().filter(|had| !taken.contains(&(protocol.clone(), *had)));
        let chosen = match before {
            None if !needed => continue,
            None => free(&taken, &protocol).ok_or_else(|| {
                ApiError::internal("failed to allocate a nodePort: range is full; delete a Service of type NodePort")
            })?,
            Some(before) => before,
        };
        taken.insert((protocol, chosen));
        if let Some(map) = port.as_object_mut() {
            map.insert("nodePort".to_owned(), json!(chosen));
        }
    }
    Ok(())
}

/// A Service of another type has no node ports: those that it had go, others are refused.
fn release(
    name: &str,
    live: Option<&Value>,
    had: &HashMap<(u64, String), u64>,
    ports: &mut [Value],
) -> Result<(), ApiError> {
    for (index, port) in ports.iter_mut().enumerate() {
        let number = number(port);
        if number != 0 && (live.is_none() || had.get(&identity(port)) != Some(&number)) {
            let why = "may not be used when `type` is 'ClusterIP'";
            let cause = Cause::forbidden(format!("spec.ports[{index}].nodePort"), why);
            return Err(ApiError::invalid("", "Service", name, vec![cause]));
        }
        if let Some(map) = port.as_object_mut() {
            map.remove("nodePort");
        }
    }
    Ok(())
}

fn free(taken: &Taken, protocol: &str) -> Option<u64> {
    let size = RANGE.end().saturating_sub(*RANGE.start()).saturating_add(1);
    let start = ids::number().checked_rem(size)?;
    let candidates = RANGE.cycle().skip(usize::try_from(start).ok()?).take(usize::try_from(size).ok()?);
    let mut candidates = candidates.map(|number| (protocol.to_owned(), number));
    candidates.find(|candidate| !taken.contains(candidate)).map(|(_, number)| number)
}

/// The numbers that a Service holds.
fn held(service: &Value) -> Taken {
    let numbers = ports(service).map(|port| (protocol(port), number(port)));
    numbers.filter(|(_, number)| *number != 0).collect()
}

/// The node port that each port of a Service has.
fn kept(service: &Value) -> HashMap<(u64, String), u64> {
    ports(service).map(|port| (identity(port), number(port))).filter(|(_, number)| *number != 0).collect()
}

fn ports(service: &Value) -> impl Iterator<Item = &Value> {
    service.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten()
}

/// What tells one port of a Service from another.
fn identity(port: &Value) -> (u64, String) {
    (port.get("port").and_then(Value::as_u64).unwrap_or_default(), protocol(port))
}

fn protocol(port: &Value) -> String {
    port.get("protocol").and_then(Value::as_str).unwrap_or("TCP").to_owned()
}

/// Zero where there is none, as in Go.
fn number(port: &Value) -> u64 {
    port.get("nodePort").and_then(Value::as_u64).unwrap_or_default()
}
