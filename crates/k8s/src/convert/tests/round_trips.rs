//! Whatever the object and whatever the ways between its versions, nothing is lost.

use std::{collections::BTreeMap, sync::LazyLock};

use proptest::prelude::*;
use serde_json::Value;

use super::{Version, arbitrary::objects, to};

/// Schemas by kind and version.
static SCHEMAS: LazyLock<BTreeMap<(String, String), Value>> = LazyLock::new(|| {
    let mut all = BTreeMap::new();
    for crd in crate::crds() {
        for version in &crd.spec.versions {
            let schema = version.schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
            let api_version = format!("{}/{}", crd.spec.group, version.name);
            all.insert((api_version, crd.spec.names.kind.clone()), serde_json::to_value(schema).unwrap());
        }
    }
    all
});

/// What is left of an object in a client that knows the fields of its version and no others, and in the API server.
fn typed(object: &Value) -> Value {
    let text = |field: &str| object[field].as_str().unwrap().to_owned();
    let schema = SCHEMAS.get(&(text("apiVersion"), text("kind"))).unwrap();
    let mut pruned = object.clone();
    prune(&mut pruned, schema);
    for field in ["apiVersion", "kind", "metadata"] {
        pruned[field] = object[field].clone();
    }
    pruned
}

fn prune(value: &mut Value, schema: &Value) {
    if schema.get("x-kubernetes-preserve-unknown-fields").is_some() {
        return;
    }
    if let (Value::Object(fields), Some(known)) = (&mut *value, schema["properties"].as_object()) {
        fields.retain(|name, _| known.contains_key(name));
        fields.iter_mut().for_each(|(name, field)| prune(field, &known[name]));
    } else if let Value::Array(list) = value {
        list.iter_mut().for_each(|item| prune(item, &schema["items"]));
    } else if let Value::Object(fields) = value {
        fields.clear();
    }
}

fn versions() -> impl Strategy<Value = &'static str> {
    prop::sample::select(Version::ALL.map(Version::as_str).to_vec())
}

proptest! {
    #[test]
    fn between_any_two_versions(
        (object, other) in (versions(), versions()).prop_flat_map(|(version, other)| (objects(version), Just(other)))
    ) {
        prop_assert_eq!(&typed(&object), &object, "the object isn't one of its version");
        let there = to(&object, other);
        prop_assert_eq!(&typed(&there), &there, "a client would lose something");
        let own = object["apiVersion"].as_str().unwrap().rsplit('/').next().unwrap();
        prop_assert_eq!(to(&there, own), object);
    }

    #[test]
    fn by_any_way(
        (object, way) in versions().prop_flat_map(|version| (objects(version), prop::collection::vec(versions(), 0..6)))
    ) {
        let own = object["apiVersion"].as_str().unwrap().rsplit('/').next().unwrap();
        let end = way.iter().fold(object.clone(), |object, version| to(&object, version));
        prop_assert_eq!(to(&end, own), object);
    }

    #[test]
    fn no_way_takes_a_limit_off_a_target(
        object in objects("v1alpha2"), way in prop::collection::vec(versions(), 0..6)
    ) {
        let port = object.pointer("/spec/destination/port").cloned();
        let end = way.iter().fold(object.clone(), |object, version| to(&object, version));
        let stored = to(&end, "v1alpha4");
        if let Some(port) = port {
            prop_assert_eq!(super::parked_port(&stored), Ok(Some(port.as_u64().unwrap() as u16)));
        }
    }
}
