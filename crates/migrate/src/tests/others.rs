use super::*;

#[test]
fn what_has_no_kind_here_is_told_with_a_remedy() {
    for (kind, told) in [
        ("policy.openservicemesh.io/v1alpha1, kind: Egress", "NetworkPolicy"),
        ("policy.openservicemesh.io/v1alpha1, kind: IngressBackend", "plaintext-ports"),
        ("policy.linkerd.io/v1beta3, kind: Server", "TrafficTarget"),
        ("policy.linkerd.io/v1alpha1, kind: AuthorizationPolicy", "TrafficTarget"),
        ("gateway.networking.k8s.io/v1, kind: GRPCRoute", "HTTPRoute"),
        ("networking.istio.io/v1, kind: VirtualService", "look what it is for"),
    ] {
        let documents = read("f", &format!("{{apiVersion: {kind}, metadata: {{name: x}}}}")).unwrap();
        let outcome = migrate(&documents, From::Smi).unwrap();
        assert_eq!(outcome.objects, Vec::<Value>::new());
        assert!(outcome.findings[0].remedy.contains(told), "{kind}");
    }
}

#[test]
fn every_setting_of_osm_is_told_by_itself() {
    let yaml = "{apiVersion: config.openservicemesh.io/v1alpha2, kind: MeshConfig, metadata: {name: osm-mesh-config}, \
                spec: {traffic: {enableEgress: false, enablePermissiveTrafficPolicyMode: true}, sidecar: {logLevel: error}}}";
    let (objects, left) = translated(From::Auto, yaml);
    assert_eq!(objects, Vec::<Value>::new());
    let fields = ["sidecar.logLevel", "traffic.enableEgress", "traffic.enablePermissiveTrafficPolicyMode"];
    assert_eq!(left, fields.map(|field| format!("Part spec.{field}")));
}

#[test]
fn annotations_for_other_meshes_are_told_and_other_objects_are_passed_over() {
    let yaml = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, labels: {app: d}}, \
                spec: {template: {metadata: {annotations: {linkerd.io/inject: enabled, config.linkerd.io/skip-outbound-ports: '25'}}}}}";
    let outcome = migrate(&read("f", yaml).unwrap(), From::Auto).unwrap();
    assert_eq!(outcome.unchanged, ["Deployment d"]);
    assert_eq!(outcome.findings.len(), 2);
    assert!(outcome.findings.iter().any(|f| f.remedy.contains("isthmus.mesh/inject=enabled")));
}

#[test]
fn the_report_says_the_gravest_first_and_counts() {
    let yaml = "{apiVersion: policy.openservicemesh.io/v1alpha1, kind: Egress, metadata: {name: e, namespace: shop}}";
    let outcome = migrate(&read("mesh.yaml", yaml).unwrap(), From::Auto).unwrap();
    let text = outcome.to_string();
    assert!(text.starts_with("not printed: Egress shop/e (mesh.yaml#1)\n  calls that leave"), "{text}");
    assert!(text.ends_with("0 objects printed, 1 not printed, 0 parts left out, 0 notes\n"), "{text}");
    assert!(!outcome.is_whole());
    let json = serde_json::to_value(&outcome).unwrap();
    assert_eq!(json["findings"][0]["leftOut"], "object");
    assert_eq!(json["reading"], "osm");
}

#[test]
fn two_objects_of_one_name_are_not_both_printed() {
    let route = |port: u16| {
        format!(
            "---\n{{apiVersion: specs.smi-spec.io/v1alpha4, kind: TCPRoute, metadata: {{name: r}}, spec: {{matches: {{ports: [{port}]}}}}}}\n"
        )
    };
    assert_eq!(translated(From::Smi, &(route(1) + &route(1))).1, Vec::<String>::new());
    assert_eq!(translated(From::Smi, &(route(1) + &route(2))).1, ["Object metadata.name"]);
}

#[test]
fn an_object_that_says_nothing_is_told_of_too() {
    let yaml = "{apiVersion: linkerd.io/v1alpha2, kind: ServiceProfile, metadata: {name: web.shop.svc.cluster.local}, spec: {}}";
    let outcome = migrate(&read("f", yaml).unwrap(), From::Auto).unwrap();
    assert_eq!((outcome.is_whole(), outcome.findings.len()), (true, 1));
}
