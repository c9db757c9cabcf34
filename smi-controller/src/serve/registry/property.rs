//! Whatever comes and goes in whatever order, what was made step by step is what would be made at once.

use std::collections::BTreeMap;

use isthmus_core::destination::DestinationKey;
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

use super::*;
use crate::testing::{applied, deleted, index_of, object, pod, service, slice, with};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Something that may be applied, with few enough names that they meet.
fn manifest() -> impl Strategy<Value = Value> {
    let name = || select(&NAMES[..]);
    let number = |name: &str| NAMES.iter().position(|n| *n == name).unwrap_or_default();
    let services = (name(), 0..3u8, any::<bool>()).prop_map(move |(name, ip, second)| {
        let ports: &[u16] = if second { &[80, 81] } else { &[80] };
        match ip {
            0 => with(service(name, "None", ports), "/spec/clusterIPs", json!(["None"])),
            ip => service(name, &format!("10.43.{ip}.{}", number(name)), ports),
        }
    });
    let slices = (name(), name(), any::<bool>()).prop_map(move |(service, pod, ready)| {
        let slice = slice(service, &[("p80", 8080)], &[(pod, &format!("10.42.0.{}", number(pod)))]);
        with(slice, "/endpoints/0/conditions/ready", json!(ready))
    });
    let pods = (name(), name(), name(), any::<bool>()).prop_map(move |(name, account, label, meshed)| {
        let pod =
            with(pod(name, account, &format!("10.42.0.{}", number(name))), "/metadata/labels", json!({"l": label}));
        if meshed { pod } else { with(pod, "/spec/initContainers", json!([])) }
    });
    let splits = (name(), name(), name(), 0..3u32, any::<bool>()).prop_map(|(name, root, backend, weight, matches)| {
        let backends = json!([{"service": backend, "weight": weight}, {"service": root, "weight": 1}]);
        let matches = if matches { json!([{"kind": "HTTPRouteGroup", "name": backend}]) } else { Value::Null };
        object("TrafficSplit", name, json!({"service": root, "backends": backends, "matches": matches}))
    });
    let groups = (name(), select(&["/a", "/b", "/("][..])).prop_map(|(name, path)| {
        object("HTTPRouteGroup", name, json!({"matches": [{"name": "m", "pathRegex": path}]}))
    });
    let routes =
        (name(), 79..82i64).prop_map(|(name, port)| object("TCPRoute", name, json!({"matches": {"ports": [port]}})));
    let subject = || {
        (select(&["ServiceAccount", "IdentityBinding"][..]), name())
            .prop_map(|(kind, name)| json!({"kind": kind, "name": name}))
    };
    let targets =
        (name(), subject(), subject(), name(), any::<bool>()).prop_map(|(name, destination, source, route, http)| {
            let mut rules = vec![json!({"kind": "TCPRoute", "name": route})];
            rules.extend(http.then(|| json!({"kind": "HTTPRouteGroup", "name": route})));
            object("TrafficTarget", name, json!({"destination": destination, "sources": [source], "rules": rules}))
        });
    let bindings = (name(), name(), any::<bool>()).prop_map(|(name, of, label)| {
        let labels = json!({"podLabelSelector": {"matchLabels": {"l": of}}});
        let schemes = if label { labels } else { json!({"serviceAccount": of}) };
        object("IdentityBinding", name, json!({"schemes": schemes}))
    });
    let modes = select(&["audit", "enforce"][..]).prop_map(|mode| {
        json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "shop", "annotations": {"isthmus.mesh/policy-mode": mode}}})
    });
    prop_oneof![services, slices, pods, splits, groups, routes, targets, bindings, modes]
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Apply(Value),
    /// The n-th of those that are there.
    Delete(prop::sample::Index),
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![3 => manifest().prop_map(Step::Apply), 1 => any::<prop::sample::Index>().prop_map(Step::Delete)]
}

pub(super) fn keys() -> Vec<Key> {
    let key = |host: String, port: u16| {
        let namespace = if host.starts_with("10.") { "" } else { "shop" };
        Key::Destination(namespace.into(), DestinationKey { host: host.into(), port })
    };
    let mut keys: Vec<Key> = NAMES.iter().map(|pod| Key::Inbound(ObjectName::new("shop", *pod))).collect();
    keys.extend(NAMES.iter().map(|name| key((*name).to_owned(), 80)));
    keys.extend((0..3).map(|i| key(format!("10.43.1.{i}"), 81)));
    keys.extend((0..3).map(|i| key(format!("10.42.0.{i}"), 9)));
    keys
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn step_by_step_is_as_good_as_at_once(steps in vec(step(), 1..40)) {
        let mut there: BTreeMap<(String, String), Value> = BTreeMap::new();
        let mut registry = Registry::new(index_of([]), Vec::new());
        let session = registry.open(ObjectName::new("shop", "a")).0;
        for key in keys() {
            registry.subscribe(session, key, String::new()).unwrap();
        }
        for step in steps {
            match step {
                Step::Apply(manifest) => {
                    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                    there.insert((text(&manifest["kind"]), text(&manifest["metadata"]["name"])), manifest.clone());
                    registry.update([applied(manifest)]);
                }
                Step::Delete(index) => {
                    if there.is_empty() {
                        continue;
                    }
                    let (kind, name) = index.get(&there.keys().cloned().collect::<Vec<_>>()).clone();
                    there.remove(&(kind.clone(), name.clone()));
                    registry.update([deleted(&kind, &name)]);
                }
            }
            let fresh = index_of(there.values().cloned());
            for key in keys() {
                let (expected, _) = resource::compile(&fresh, &[], &key);
                // Of a pod that is gone the last policy stays.
                let Some(expected) = expected else { continue };
                let made = registry.resources[&key].compiled.as_ref().unwrap();
                prop_assert_eq!((&made.version, &made.objects), (&expected.version, &expected.objects), "{:?}", key);
            }
            let checks: BTreeMap<ObjectRef, Checked> = compile::all_objects(&fresh)
                .into_iter()
                .map(|object| (object.clone(), compile::check(&Reader::new(&fresh), &object).unwrap()))
                .collect();
            prop_assert_eq!(&registry.checks, &checks);
        }
    }
}
