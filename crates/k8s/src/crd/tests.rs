use std::{collections::BTreeSet, path::PathBuf};

use super::*;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../charts/isthmus-crds/crds")
}

#[test]
fn the_charts_hold_what_the_types_say() {
    let folder = folder();
    let files = files().unwrap();
    for (name, text) in &files {
        let committed = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert_eq!(&committed, text, "{name} has drifted: run `cargo xtask crds`");
    }
    let known: BTreeSet<_> = files.into_iter().map(|(name, _)| name).collect();
    let found: BTreeSet<_> =
        std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(found, known);
}

#[test]
fn names_versions_and_short_names_are_those_of_the_specification() {
    let row = |crd: &CustomResourceDefinition| {
        let versions: Vec<_> = crd.spec.versions.iter().map(|v| v.name.clone()).collect();
        let short = crd.spec.names.short_names.clone().unwrap_or_default();
        (crd.metadata.name.clone().unwrap(), short.join(","), versions.join(","))
    };
    let text = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    let rows: Vec<_> = crds().iter().map(row).collect();
    assert_eq!(
        rows,
        [
            text("exportedservices.federation.isthmus.mesh", "", "v1alpha1"),
            text("httproutegroups.specs.smi-spec.io", "htr", "v1alpha4,v1alpha3,v1alpha2,v1alpha1"),
            text("identitybindings.access.smi-spec.io", "ib", "v1alpha4"),
            text("importedservices.federation.isthmus.mesh", "", "v1alpha1"),
            text("meshes.federation.isthmus.mesh", "", "v1alpha1"),
            text("meshpeers.federation.isthmus.mesh", "", "v1alpha1"),
            text("tcproutes.specs.smi-spec.io", "tr", "v1alpha4,v1alpha3,v1alpha2,v1alpha1"),
            text("trafficsplits.split.smi-spec.io", "ts", "v1alpha4,v1alpha3,v1alpha2,v1alpha1"),
            text("traffictargets.access.smi-spec.io", "tt", "v1alpha4,v1alpha3,v1alpha2,v1alpha1"),
            text("udproutes.specs.smi-spec.io", "ur", "v1alpha4"),
        ]
    );
    for crd in crds() {
        let stored: Vec<_> = crd.spec.versions.iter().filter(|v| v.storage).map(|v| v.name.as_str()).collect();
        let expected = if crd.spec.group.ends_with("smi-spec.io") { "v1alpha4" } else { "v1alpha1" };
        assert_eq!(stored, [expected]);
        for version in &crd.spec.versions {
            assert!(version.served && version.subresources.as_ref().unwrap().status.is_some());
        }
    }
}

#[test]
fn what_has_several_versions_is_converted() {
    let all = crds();
    let several = all.iter().filter(|crd| crd.spec.versions.len() > 1);
    let several: Vec<_> = several.map(|crd| crd.metadata.name.as_deref().unwrap()).collect();
    assert_eq!(several, CONVERTED);
    for crd in &all {
        let path = crd.spec.conversion.as_ref().and_then(|conversion| {
            conversion.webhook.as_ref()?.client_config.as_ref()?.service.as_ref()?.path.as_deref()
        });
        assert_eq!(path, (crd.spec.versions.len() > 1).then_some(CONVERT_PATH));
    }
}

#[test]
fn older_versions_have_the_shapes_of_the_specification() {
    let crds = serde_json::to_value(crds()).unwrap();
    let fields = |kind: &str, version: &str, pointer: &str| {
        let crd = crds.as_array().unwrap().iter().find(|crd| crd["spec"]["names"]["kind"] == kind).unwrap();
        let versions = crd["spec"]["versions"].as_array().unwrap();
        let found = versions.iter().find(|found| found["name"] == version).unwrap();
        let at = found["schema"]["openAPIV3Schema"].pointer(pointer).and_then(|at| at["properties"].as_object());
        at.map(|fields| fields.keys().cloned().collect::<Vec<_>>().join(",")).unwrap_or_default()
    };
    assert_eq!(fields("TrafficTarget", "v1alpha1", ""), "destination,sources,specs,status");
    assert_eq!(fields("TrafficTarget", "v1alpha2", "/properties/spec"), "destination,rules,sources");
    assert_eq!(fields("HTTPRouteGroup", "v1alpha1", "/properties/matches/items"), "methods,name,pathRegex");
    assert_eq!(fields("HTTPRouteGroup", "v1alpha2", "/properties/matches/items"), "headers,methods,name,pathRegex");
    assert_eq!(fields("HTTPRouteGroup", "v1alpha3", "/properties/spec"), "matches");
    assert_eq!(fields("TCPRoute", "v1alpha2", ""), "status");
    assert_eq!(
        (fields("TCPRoute", "v1alpha3", ""), fields("TCPRoute", "v1alpha3", "/properties/spec")),
        ("spec,status".into(), String::new())
    );
    assert_eq!(fields("TrafficSplit", "v1alpha1", "/properties/spec"), "backends,service");
    assert_eq!(fields("TrafficSplit", "v1alpha2", "/properties/spec"), "backends,service");
    assert_eq!(fields("TrafficSplit", "v1alpha3", "/properties/spec"), "backends,matches,service");
}

#[test]
fn weights_are_whole_numbers_from_zero_and_headers_have_no_type() {
    let crds = serde_json::to_value(crds()).unwrap();
    let schema = |kind: &str| {
        let crd = crds.as_array().unwrap().iter().find(|crd| crd["spec"]["names"]["kind"] == kind).unwrap();
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
    };
    let weight = &schema("TrafficSplit")["properties"]["backends"]["items"]["properties"]["weight"];
    assert_eq!((&weight["type"], weight["minimum"].as_f64()), (&"integer".into(), Some(0.0)));
    let headers = &schema("HTTPRouteGroup")["properties"]["matches"]["items"]["properties"]["headers"];
    assert_eq!(headers["x-kubernetes-preserve-unknown-fields"], true);
    assert!(headers.get("type").is_none());
}
