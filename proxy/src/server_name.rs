//! The name sent as SNI. Nothing inside one mesh is routed by it; gateways between meshes, which can't read the connection, are.

use isthmus_core::{destination::Remote, id::ObjectName};
use rustls::pki_types::ServerName;

/// `p<port>.<service>.<namespace>.svc.<mesh>.mesh`, the port being the Service's. `None` when that is no DNS name: a label beyond
/// 63 bytes, or more than 253 in all.
pub(crate) fn of_service(service: &ObjectName, port: u16, mesh: &str) -> Option<ServerName<'static>> {
    let ObjectName { namespace, name } = service;
    dns(format!("p{port}.{name}.{namespace}.svc.{mesh}.mesh"))
}

/// `<pod>.<namespace>.pod.<mesh>.mesh`, of a workload by its `namespace/pod`; `None` as above.
pub(crate) fn of_workload(workload: &str, mesh: &str) -> Option<ServerName<'static>> {
    let (namespace, pod) = workload.split_once('/')?;
    dns(format!("{pod}.{namespace}.pod.{mesh}.mesh"))
}

/// The name that leads through gateways to a pod of another mesh; `None` if it is no DNS name.
pub(crate) fn of_remote(remote: &Remote) -> Option<ServerName<'static>> {
    dns(remote.server_name.to_string())
}

fn dns(name: String) -> Option<ServerName<'static>> {
    name.try_into().ok().filter(|name| matches!(name, ServerName::DnsName(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: Option<ServerName<'_>>) -> Option<String> {
        name.map(|name| name.to_str().into_owned())
    }

    #[test]
    fn services_and_pods_have_names_of_their_own() {
        let web = ObjectName::new("shop", "web");
        assert_eq!(text(of_service(&web, 80, "east")).as_deref(), Some("p80.web.shop.svc.east.mesh"));
        assert_eq!(text(of_workload("shop/web-0", "east")).as_deref(), Some("web-0.shop.pod.east.mesh"));
    }

    #[test]
    fn what_is_no_dns_name_has_none() {
        let label = |length| "a".repeat(length);
        assert!(of_service(&ObjectName::new("shop", label(63)), 80, "east").is_some());
        assert!(of_service(&ObjectName::new("shop", label(64)), 80, "east").is_none());
        assert!(of_service(&ObjectName::new(label(63), label(63)), 65535, &label(63)).is_some());
        let long = format!("{}.{}", label(63), label(50));
        assert!(of_service(&ObjectName::new(label(63), label(63)), 65535, &long).is_none());
        assert!(of_workload("", "east").is_none());
        assert!(of_workload(&format!("shop/{}", label(64)), "east").is_none());
    }
}
