//! Whom the server calls: webhooks, aggregated API servers, kubelets.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use isthmus_local_callout::{Callout, ClientCertificate, Dial, Limits, Services, TlsError, User as CalloutUser};
use isthmus_local_store::{Key, Store};
use serde_json::Value;

use crate::auth::User;
use crate::ids;
use crate::pki::{KeyPairPem, Pki};

pub(crate) struct Callouts {
    pub(crate) callout: Callout,
    pub(crate) front_proxy: ClientCertificate,
    pub(crate) kubelet: ClientCertificate,
}

impl Callouts {
    pub(crate) fn new(dial: Arc<dyn Dial>, store: Store, pki: &Pki) -> Result<Self, TlsError> {
        let certificate = |pair: &KeyPairPem| ClientCertificate::from_pem(&pair.certificate, &pair.key);
        Ok(Self {
            callout: Callout::new(dial, Arc::new(StoredServices { store }), Limits::default()),
            front_proxy: certificate(pki.front_proxy())?,
            kubelet: certificate(pki.kubelet_client())?,
        })
    }
}

impl From<&User> for CalloutUser {
    fn from(user: &User) -> Self {
        let User { name, uid, groups, extra } = user.clone();
        Self { name, uid, groups, extra }
    }
}

/// Finds Services by the EndpointSlices in the store.
struct StoredServices {
    store: Store,
}

impl Services for StoredServices {
    fn resolve(&self, namespace: &str, name: &str, port: u16) -> Option<SocketAddr> {
        let service = self.store.get(&Key::new("/services", Some(namespace), name))?;
        let ports = service.object.pointer("/spec/ports").and_then(Value::as_array)?;
        let number = |value: &Value, field: &str| value.get(field).and_then(Value::as_u64);
        let wanted = ports.iter().find(|p| number(p, "port") == Some(u64::from(port)))?;
        let wanted = wanted.get("name").and_then(Value::as_str).unwrap_or_default();
        let slices = self.store.list("discovery.k8s.io/endpointslices", Some(namespace)).entries;
        let of_service = slices.iter().filter(|entry| {
            let label = entry.object.pointer("/metadata/labels/kubernetes.io~1service-name");
            label.and_then(Value::as_str) == Some(name)
        });
        let found: Vec<SocketAddr> = of_service.flat_map(|entry| addresses(&entry.object, wanted)).collect();
        let pick = usize::try_from(ids::number()).unwrap_or(0).checked_rem(found.len())?;
        found.get(pick).copied()
    }
}

/// The ready addresses of a slice, with the port of this name.
fn addresses(slice: &Value, port_name: &str) -> Vec<SocketAddr> {
    let items = |field: &str| slice.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let named =
        items("ports").iter().find(|port| port.get("name").and_then(Value::as_str).unwrap_or_default() == port_name);
    let port =
        named.and_then(|port| port.get("port")).and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    let Some(port) = port else { return Vec::new() };
    let ready = |endpoint: &&Value| endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true);
    let addresses = items("endpoints").iter().filter(ready).filter_map(|endpoint| endpoint.pointer("/addresses/0"));
    let parsed = addresses.filter_map(Value::as_str).filter_map(|text| text.parse::<IpAddr>().ok());
    parsed.map(|address| SocketAddr::new(address, port)).collect()
}
