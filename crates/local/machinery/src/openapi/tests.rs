use super::*;
use crate::crd;

#[test]
fn the_core_document_lets_kubectl_apply_and_explain() {
    let kinds: Vec<&Resource> = builtin::all().iter().filter(|r| r.group.is_empty()).collect();
    let entries: Vec<Entry<'_>> = kinds.iter().map(|resource| Entry { resource, schema: None }).collect();
    let document = document("", "v1", &entries);
    for resource in kinds {
        let space = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
        let path = format!("/api/v1{space}/{}/{{name}}", resource.plural);
        let patch = &document["paths"][&path]["patch"];
        assert_eq!(patch[GVK], gvk(resource), "{path}");
        assert!(
            patch["parameters"]
                .as_array()
                .unwrap()
                .iter()
                .any(|p| p["name"] == "fieldValidation" && p["in"] == "query")
        );
        assert_eq!(document["paths"][&path]["get"][GVK], gvk(resource));
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert_eq!(schemas["io.k8s.api.core.v1.Pod"][GVK][0]["kind"], "Pod");
    assert!(schemas["io.k8s.api.core.v1.Container"]["properties"]["image"]["description"].is_string());
    let mut wanted = BTreeSet::new();
    references(&document, &mut wanted);
    for name in wanted {
        assert!(schemas.contains_key(&name), "{name}");
    }
}

#[test]
fn a_custom_kind_shows_its_own_schema() {
    let crd = json!({"spec": {
        "group": "split.smi-spec.io", "scope": "Namespaced", "names": {"kind": "TrafficSplit", "plural": "trafficsplits"},
        "versions": [{"name": "v1alpha4", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
            "type": "object", "properties": {"spec": {"type": "object", "description": "The split."}}}}}]
    }});
    let version = crd::versions(&crd).remove(0);
    let entry = Entry { resource: &version.resource, schema: version.openapi.as_ref() };
    let document = document("split.smi-spec.io", "v1alpha4", &[entry]);
    let schema = &document["components"]["schemas"]["io.smi-spec.split.v1alpha4.TrafficSplit"];
    assert_eq!(schema["properties"]["spec"]["description"], "The split.");
    assert!(schema["properties"]["metadata"].is_object());
    assert!(document["components"]["schemas"][OBJECT_META].is_object());
    assert!(
        document["paths"]["/apis/split.smi-spec.io/v1alpha4/namespaces/{namespace}/trafficsplits/{name}"]["patch"]
            .is_object()
    );
}
