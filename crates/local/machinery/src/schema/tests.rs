use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::builtin;

fn split() -> Schema {
    Schema::parse(&json!({
        "type": "object",
        "required": ["spec"],
        "properties": {
            "spec": {
                "type": "object",
                "required": ["service"],
                "properties": {
                    "service": {"type": "string", "minLength": 1, "maxLength": 10, "pattern": "^[a-z]+$"},
                    "mode": {"type": "string", "enum": ["Hard", "Soft"], "default": "Soft"},
                    "weight": {"type": "integer", "minimum": 0, "maximum": 100, "format": "int32"},
                    "ratio": {"type": "number", "minimum": 0, "exclusiveMinimum": true},
                    "port": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
                    "note": {"type": "string", "nullable": true},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    "any": {"x-kubernetes-preserve-unknown-fields": true},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1},
                    "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set", "maxItems": 3},
                    "backends": {
                        "type": "array", "minItems": 1, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                        "items": {"type": "object", "required": ["name"], "properties": {
                            "name": {"type": "string"}, "weight": {"type": "integer", "default": 1}}}
                    },
                    "choice": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                        "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
                    "when": {"type": "string", "format": "date-time"}
                }
            },
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}
        }
    }))
    .unwrap()
}

fn faults(spec: Value) -> Vec<String> {
    let mut object = json!({"apiVersion": "a/v1", "kind": "K", "metadata": {"name": "x"}, "spec": spec});
    object["spec"].as_object_mut().unwrap().entry("service").or_insert(json!("web"));
    split().validate(&object, None).iter().map(Cause::line).collect()
}

#[test]
fn good_objects_have_no_faults() {
    let good = json!({"weight": 5, "port": "http", "note": null, "free": {"a": [1]}, "any": [1, {"b": 2}], "labels": {"a": "b"},
        "set": ["a", "b"], "backends": [{"name": "a"}, {"name": "b"}], "choice": {"a": "x"}, "when": "2026-11-21T04:24:08Z"});
    assert_eq!(faults(good), Vec::<String>::new());
    assert_eq!(faults(json!({"port": 80})), Vec::<String>::new());
}

#[test]
fn each_check_has_kubernetes_text() {
    for (spec, text) in [
        (
            json!({"weight": "1"}),
            "spec.weight: Invalid value: \"string\": spec.weight in body must be of type integer: \"string\"",
        ),
        (
            json!({"weight": -1}),
            "spec.weight: Invalid value: -1: spec.weight in body should be greater than or equal to 0",
        ),
        (
            json!({"weight": 101}),
            "spec.weight: Invalid value: 101: spec.weight in body should be less than or equal to 100",
        ),
        (json!({"ratio": 0}), "spec.ratio: Invalid value: 0: spec.ratio in body should be greater than 0"),
        (json!({"mode": "X"}), "spec.mode: Unsupported value: \"X\": supported values: \"Hard\", \"Soft\""),
        (
            json!({"service": ""}),
            "spec.service: Invalid value: \"\": spec.service in body should be at least 1 chars long",
        ),
        (json!({"service": "abcdefghijk"}), "spec.service: Too long: may not be more than 10 bytes"),
        (json!({"service": "A1"}), "spec.service: Invalid value: \"A1\": spec.service in body should match '^[a-z]+$'"),
        (
            json!({"note": 1}),
            "spec.note: Invalid value: \"integer\": spec.note in body must be of type string: \"integer\"",
        ),
        (json!({"labels": {}}), "spec.labels: Invalid value: 0: spec.labels in body should have at least 1 properties"),
        (
            json!({"labels": {"a": 1}}),
            "spec.labels[a]: Invalid value: \"integer\": spec.labels[a] in body must be of type string: \"integer\"",
        ),
        (json!({"set": ["a", "a"]}), "spec.set[1]: Duplicate value: \"a\""),
        (json!({"set": ["a", "b", "c", "d"]}), "spec.set: Too many: 4: must have at most 3 items"),
        (
            json!({"backends": []}),
            "spec.backends: Invalid value: 0: spec.backends in body should have at least 1 items",
        ),
        (json!({"backends": [{}]}), "spec.backends[0].name: Required value"),
        (json!({"backends": [{"name": "a"}, {"name": "a"}]}), "spec.backends[1]: Duplicate value: {\"name\":\"a\"}"),
        (
            json!({"port": true}),
            "spec.port: Invalid value: \"boolean\": spec.port in body must be of type integer,string: \"boolean\"",
        ),
        (
            json!({"choice": {}}),
            "spec.choice: Invalid value: \"\": \"spec.choice\" must validate one and only one schema (oneOf). Found none valid",
        ),
        (
            json!({"choice": {"a": "1", "b": "2"}}),
            "spec.choice: Invalid value: \"\": \"spec.choice\" must validate one and only one schema (oneOf). Found 2 valid alternatives",
        ),
        (
            json!({"when": "noon"}),
            "spec.when: Invalid value: \"noon\": spec.when in body must be of type date-time: \"noon\"",
        ),
    ] {
        let found = faults(spec);
        assert!(found.contains(&text.to_owned()), "{text}\nnot in {found:#?}");
    }
}

#[test]
fn metadata_of_custom_objects_is_typed() {
    let object = |meta: Value| json!({"metadata": meta, "spec": {"service": "web"}});
    let schema = split();
    assert!(schema.validate(&object(json!({"name": "a", "creationTimestamp": null})), None).is_empty());
    let causes = schema.validate(&object(json!({"labels": {"a": 1}})), None);
    assert!(
        causes[0].message.contains("cannot unmarshal number into Go struct field metadata.labels.a of type string")
    );
}

#[test]
fn a_fault_that_was_there_before_passes() {
    let object = |weight: i64, mode: &str| json!({"spec": {"service": "web", "weight": weight, "mode": mode}});
    let schema = split();
    assert!(schema.validate(&object(500, "Hard"), Some(&object(500, "Soft"))).is_empty());
    assert_eq!(schema.validate(&object(501, "Soft"), Some(&object(500, "Soft"))).len(), 1);
}

#[test]
fn unknown_fields_are_named_and_pruned() {
    let mut object = json!({
        "apiVersion": "a/v1", "kind": "K", "extra": 1,
        "metadata": {"name": "x", "bogus": 1, "labels": {"a": "b"}},
        "spec": {"service": "web", "what": 1, "free": {"kept": 1}, "backends": [{"name": "a", "foo": 1}]},
        "status": {"anything": true}
    });
    let schema = split();
    assert_eq!(schema.unknown_fields(&object), ["extra", "metadata.bogus", "spec.backends[0].foo", "spec.what"]);
    schema.prune(&mut object);
    assert!(schema.unknown_fields(&object).is_empty());
    assert_eq!(object["spec"]["free"], json!({"kept": 1}));
    assert_eq!(object["metadata"], json!({"name": "x", "labels": {"a": "b"}}));
}

#[test]
fn defaults_are_filled_in_lists_too() {
    let mut object =
        json!({"spec": {"service": "web", "mode": null, "backends": [{"name": "a"}, {"name": "b", "weight": 3}]}});
    split().fill_defaults(&mut object);
    assert_eq!(object["spec"]["mode"], "Soft");
    assert_eq!(object["spec"]["backends"], json!([{"name": "a", "weight": 1}, {"name": "b", "weight": 3}]));
}

#[test]
fn schemas_that_are_not_structural_are_refused() {
    for (schema, field) in [
        (json!({"properties": {}}), "type"),
        (json!({"type": "string"}), "type"),
        (json!({"type": "object", "properties": {"a": {}}}), "properties[a].type"),
        (json!({"type": "object", "properties": {"a": {"type": "array"}}}), "properties[a].items"),
        (json!({"type": "object", "properties": {"a": {"type": "strin"}}}), "properties[a].type"),
        (json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}), "properties[a].pattern"),
        (json!({"type": "object", "properties": {"a": {"type": "integer", "default": "x"}}}), "properties[a].default"),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": true}),
            "additionalProperties",
        ),
        (json!({"type": "object", "anyOf": [{"description": "x"}]}), "anyOf[0].description"),
        (json!({"type": "object", "$ref": "#/x"}), "$ref"),
        (
            json!({"type": "object", "properties": {"a": {"type": "array", "uniqueItems": true, "items": {"type": "string"}}}}),
            "properties[a].uniqueItems",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object"}}}}),
            "properties[a].x-kubernetes-list-map-keys",
        ),
        (json!("x"), ""),
    ] {
        let causes = Schema::parse(&schema).unwrap_err();
        assert!(causes.iter().any(|c| c.field == field), "{field} not in {causes:#?}");
    }
}

#[test]
fn cel_rules_are_told_as_warnings() {
    let schema = json!({"type": "object", "x-kubernetes-validations": [{"rule": "true"}]});
    assert_eq!(Schema::parse(&schema).unwrap().warnings().len(), 1);
    assert!(split().warnings().is_empty());
}

#[test]
fn embedded_objects_keep_their_metadata() {
    let schema = Schema::parse(&json!({"type": "object", "properties": {
        "template": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "string"}}}
    }})).unwrap();
    let mut object = json!({"template": {"apiVersion": "v1", "kind": "K", "metadata": {"name": "a", "zzz": 1}, "spec": "x", "other": 1}});
    schema.prune(&mut object);
    assert_eq!(object, json!({"template": {"apiVersion": "v1", "kind": "K", "metadata": {"name": "a"}, "spec": "x"}}));
}

fn decode(kind: &str, mut object: Value) -> Result<(Value, Vec<String>), String> {
    let resource = builtin::all().iter().find(|r| r.kind == kind).unwrap();
    object["apiVersion"] = resource.api_version().into();
    object["kind"] = kind.into();
    let unknown = builtin::schema(resource).unwrap().decode(&mut object).map_err(|e| e.message)?;
    Ok((object, unknown))
}

#[test]
fn built_in_objects_are_decoded_by_type() {
    let (object, unknown) = decode(
        "Pod",
        json!({"metadata": {"creationTimestamp": null}, "spec": {"foo": 1, "containers": [
        {"name": "a", "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}]}}),
    )
    .unwrap();
    assert_eq!(unknown, ["spec.foo"]);
    assert_eq!(object["spec"]["containers"][0]["resources"]["limits"]["cpu"], "1");
    assert_eq!(object["metadata"], json!({}));
}

#[test]
fn wrong_types_are_bad_requests() {
    for (kind, object, text) in [
        (
            "Service",
            json!({"spec": {"ports": [{"port": "80"}]}}),
            "Service in version \"v1\" cannot be handled as a Service: json: cannot unmarshal string into Go struct field Service.spec.ports.port of type int32",
        ),
        (
            "Service",
            json!({"spec": {"ports": {}}}),
            "json: cannot unmarshal object into Go struct field Service.spec.ports",
        ),
        (
            "ConfigMap",
            json!({"data": {"a": 1}}),
            "cannot unmarshal number into Go struct field ConfigMap.data.a of type string",
        ),
        ("Secret", json!({"data": {"a": "%%"}}), "illegal base64 data at input byte 0"),
        ("Lease", json!({"spec": {"renewTime": "now"}}), "parsing time \"now\""),
        ("Pod", json!({"spec": {"containers": [{"resources": {"limits": {"cpu": "1x"}}}]}}), "quantities must match"),
        ("Deployment", json!({"spec": {"replicas": 1.5}}), "cannot unmarshal number 1.5 into"),
    ] {
        let message = decode(kind, object).unwrap_err();
        assert!(message.contains(text), "{message}");
    }
}

#[test]
fn custom_definitions_keep_their_schemas_when_decoded() {
    let schema =
        json!({"type": "object", "properties": {"x": {"type": "string", "x-kubernetes-validations": [{"rule": "1"}]}}});
    let (object, unknown) = decode("CustomResourceDefinition", json!({"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}]}})).unwrap();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert_eq!(object["spec"]["versions"][0]["schema"]["openAPIV3Schema"], schema);
    assert_eq!(object["spec"]["versions"][0]["subresources"], json!({"status": {}}));
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z]{0,4}".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let names = prop_oneof![
            Just("spec".to_owned()),
            Just("backends".to_owned()),
            Just("free".to_owned()),
            Just("metadata".to_owned()),
            "[a-c]"
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::btree_map(names, inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn pruning_and_defaulting_are_idempotent(value in json_value()) {
        let schema = split();
        let mut once = value;
        schema.prune(&mut once);
        schema.fill_defaults(&mut once);
        let mut twice = once.clone();
        schema.prune(&mut twice);
        schema.fill_defaults(&mut twice);
        prop_assert_eq!(&twice, &once);
        prop_assert!(schema.unknown_fields(&once).is_empty());
        let _ = schema.validate(&once, Some(&twice));
    }

    #[test]
    fn nothing_makes_typed_decoding_or_parsing_panic(value in json_value()) {
        let pods = builtin::schema(builtin::find("", "v1", "pods").unwrap()).unwrap();
        let _ = pods.decode(&mut value.clone());
        let _ = Schema::parse(&value);
    }
}
