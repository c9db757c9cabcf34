//! Services and EndpointSlices.

use std::{collections::HashSet, net::IpAddr};

use serde_json::Value;

use super::{immutable, list, meta, names, one_of, port, text};
use crate::status::Cause;

pub(super) fn check(new: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let empty = Value::Null;
    let spec = new.get("spec").unwrap_or(&empty);
    let kind = text(spec, "type");
    let headless = text(spec, "clusterIP") == "None";
    one_of(spec, "type", "spec.type", &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"], causes);
    one_of(spec, "sessionAffinity", "spec.sessionAffinity", &["ClientIP", "None"], causes);
    if kind == "ExternalName" {
        match text(spec, "externalName").trim_end_matches('.') {
            "" => causes.push(Cause::required("spec.externalName", "")),
            name => {
                if let Some(why) = names::subdomain(name) {
                    causes.push(Cause::invalid("spec.externalName", &name.into(), &why));
                }
            }
        }
    } else if list(spec, "ports").next().is_none() && !headless {
        causes.push(Cause::required("spec.ports", ""));
    }
    meta::labels_at(spec.get("selector"), "spec.selector", causes);
    ports(spec, causes);
    let ip = text(spec, "clusterIP");
    if !matches!(ip, "" | "None") && ip.parse::<IpAddr>().is_err() {
        let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        causes.push(Cause::invalid("spec.clusterIPs[0]", &ip.into(), why));
    }
    if let Some(old) = old {
        let before = old.pointer("/spec/clusterIP").and_then(Value::as_str).unwrap_or_default();
        let named = old.pointer("/spec/type").and_then(Value::as_str) == Some("ExternalName") || kind == "ExternalName";
        if !before.is_empty() && before != ip && !named {
            let shown = Value::from(vec![ip]);
            causes.push(Cause::invalid("spec.clusterIPs[0]", &shown, "may not change once set"));
        }
    }
}

fn ports(spec: &Value, causes: &mut Vec<Cause>) {
    let several = list(spec, "ports").count() > 1;
    let (mut names_taken, mut taken) = (HashSet::new(), HashSet::new());
    for (i, value) in list(spec, "ports") {
        let field = format!("spec.ports[{i}]");
        let name = text(value, "name");
        if name.is_empty() {
            if several {
                causes.push(Cause::required(format!("{field}.name"), ""));
            }
        } else if let Some(why) = names::label(name) {
            causes.push(Cause::invalid(format!("{field}.name"), &name.into(), &why));
        } else if !names_taken.insert(name) {
            causes.push(Cause::duplicate(format!("{field}.name"), &name.into()));
        }
        port(value.get("port"), &format!("{field}.port"), causes);
        one_of(value, "protocol", &format!("{field}.protocol"), &["SCTP", "TCP", "UDP"], causes);
        if let Some(target) = value.get("targetPort") {
            let field = format!("{field}.targetPort");
            match target.as_str() {
                Some(text) => {
                    if let Some(why) = names::port_name(text) {
                        causes.push(Cause::invalid(field, target, &why));
                    }
                }
                None => port(Some(target), &field, causes),
            }
        }
        if !taken.insert((value.get("port").and_then(Value::as_i64), text(value, "protocol"))) {
            let shown = serde_json::json!({"port": value.get("port"), "protocol": value.get("protocol")});
            causes.push(Cause::duplicate(field, &shown));
        }
    }
}

pub(super) fn endpoint_slice(new: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    one_of(new, "addressType", "addressType", &["FQDN", "IPv4", "IPv6"], causes);
    immutable(new, old, "/addressType", "addressType", causes);
    for (i, endpoint) in list(new, "endpoints") {
        let field = format!("endpoints[{i}].addresses");
        if list(endpoint, "addresses").next().is_none() {
            causes.push(Cause::required(&field, "must contain at least 1 address"));
        }
        for (j, address) in list(endpoint, "addresses") {
            let shown = address.as_str().unwrap_or_default();
            let fits = match text(new, "addressType") {
                "FQDN" => names::subdomain(shown).is_none(),
                "IPv6" => shown.parse::<std::net::Ipv6Addr>().is_ok(),
                _ => shown.parse::<std::net::Ipv4Addr>().is_ok(),
            };
            if !fits {
                let why = format!("must be a valid {} address", text(new, "addressType"));
                causes.push(Cause::invalid(format!("{field}[{j}]"), address, &why));
            }
        }
    }
}
