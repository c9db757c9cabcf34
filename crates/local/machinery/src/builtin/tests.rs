use super::*;

#[test]
fn every_kind_has_a_schema_and_an_openapi_definition() {
    for resource in all() {
        assert!(schema(resource).is_some(), "{}", resource.kind);
        let name = schema_name(resource).unwrap_or_else(|| panic!("{} has no definition", resource.kind));
        assert!(definitions().contains_key(name));
    }
}

#[test]
fn references_point_into_the_definitions() {
    fn walk(value: &serde_json::Value, count: &mut usize) {
        match value {
            serde_json::Value::Object(map) => {
                if let Some(to) = map.get("$ref").and_then(|r| r.as_str()) {
                    let name = to.strip_prefix("#/components/schemas/").unwrap_or_else(|| panic!("{to}"));
                    assert!(definitions().contains_key(name), "{name}");
                    *count += 1;
                }
                map.values().for_each(|v| walk(v, count));
            }
            serde_json::Value::Array(list) => list.iter().for_each(|v| walk(v, count)),
            _ => {}
        }
    }
    let mut count = 0;
    definitions().values().for_each(|d| walk(d, &mut count));
    assert!(count > 300);
}

#[test]
fn the_table_and_k8s_openapi_know_the_same_fields() {
    for (name, definition) in definitions() {
        let Some(node) = crate::schema::Schema::of_type(schemas::table_name(name)) else { continue };
        for field in definition["properties"].as_object().into_iter().flatten().map(|(k, _)| k) {
            assert!(node.root().properties.contains_key(field), "{name}.{field}");
        }
    }
}

#[test]
fn ports_of_a_service_are_found_by_port_and_protocol() {
    let ports = &definitions()["io.k8s.api.core.v1.ServiceSpec"]["properties"]["ports"];
    assert_eq!(ports["x-kubernetes-list-type"], "map");
    assert_eq!(ports["x-kubernetes-list-map-keys"], serde_json::json!(["port", "protocol"]));
    assert_eq!(ports["x-kubernetes-patch-merge-key"], "port");
}

#[test]
fn names_are_looked_up_by_path_and_by_kind() {
    assert_eq!(find("", "v1", "pods").map(|r| r.kind.as_str()), Some("Pod"));
    assert_eq!(by_kind("apps", "v1", "Deployment").map(Resource::group_resource).as_deref(), Some("deployments.apps"));
    assert!(find("batch", "v1", "cronjobs").is_none());
    assert!(find("authorization.k8s.io", "v1", "subjectaccessreviews").is_some_and(Resource::create_only));
}

#[test]
fn properties_named_like_keywords_are_no_references() {
    let properties =
        &definitions()["io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"]["properties"];
    assert_eq!(properties["$ref"]["type"], "string");
    assert_eq!(properties["allOf"]["type"], "array");
    // What strict validation of a definition keeps.
    let crd = by_kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition").and_then(schema).unwrap();
    let mut object = serde_json::json!({"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": {
        "properties": {"a": {"$ref": "#/x", "allOf": [{"minimum": 1.0}], "anyOf": [{"type": "string"}]}},
    }}}]}});
    let before = object.clone();
    assert_eq!(crd.decode(&mut object).unwrap(), Vec::<String>::new());
    assert_eq!(object, before);
}
