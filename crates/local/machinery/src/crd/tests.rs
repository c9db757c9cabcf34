use serde_json::json;

use super::*;

#[test]
fn each_version_has_its_own_schema_and_subresources() {
    let crd = json!({"spec": {
        "group": "split.smi-spec.io", "scope": "Namespaced",
        "names": {"kind": "TrafficSplit", "plural": "trafficsplits", "shortNames": ["ts"], "categories": ["smi"]},
        "versions": [
            {"name": "v1alpha4", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}},
                "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas"}},
                "additionalPrinterColumns": [{"name": "Service", "type": "string", "jsonPath": ".spec.service"}]},
            {"name": "v1alpha1", "served": true, "storage": false, "deprecated": true},
            {"served": true}
        ]
    }});
    let versions = versions(&crd);
    assert_eq!(versions.len(), 2, "a version without a name is left out");
    let (new, old) = (&versions[0], &versions[1]);
    assert_eq!(new.resource.group_resource(), "trafficsplits.split.smi-spec.io");
    assert_eq!((new.resource.singular.as_str(), new.resource.list_kind.as_str()), ("trafficsplit", "TrafficSplitList"));
    assert!(new.resource.has_status() && new.resource.subresource("scale").is_some() && new.scale.is_some());
    assert!(new.storage && new.served && new.printer_columns.is_some() && new.deprecation_warning.is_none());
    assert!(!old.resource.has_status());
    assert_eq!(old.deprecation_warning.as_deref(), Some("split.smi-spec.io/v1alpha1 TrafficSplit is deprecated"));
}

#[test]
fn a_malformed_definition_has_no_versions() {
    for crd in [json!({}), json!({"spec": 1}), json!({"spec": {"versions": [{"name": "v1"}]}})] {
        assert!(versions(&crd).is_empty());
    }
}
