use serde_json::json;

use super::*;
use crate::builtin;

/// Defaults an object of a kind and gives it with its faults.
fn checked(kind: &str, object: Value) -> (Value, Vec<String>) {
    updated(kind, object, None)
}

fn updated(kind: &str, mut object: Value, old: Option<&Value>) -> (Value, Vec<String>) {
    let resource = builtin::all().iter().find(|r| r.kind == kind).unwrap();
    let meta = object.as_object_mut().unwrap().entry("metadata").or_insert(json!({})).as_object_mut().unwrap();
    meta.entry("name").or_insert(json!("a"));
    if resource.namespaced {
        meta.entry("namespace").or_insert(json!("d"));
    }
    default_object(resource, &mut object);
    let faults = validate_object(resource, &object, old).iter().map(Cause::line).collect();
    (object, faults)
}

fn has(faults: &[String], text: &str) {
    assert!(faults.iter().any(|f| f.contains(text)), "{text} not in {faults:#?}");
}

fn pod_spec() -> Value {
    json!({"containers": [{"name": "c", "image": "local/true"}]})
}

#[test]
fn a_service_gets_its_defaults() {
    let (service, faults) = checked("Service", json!({"spec": {"selector": {"app": "a"}, "ports": [{"port": 80}]}}));
    assert!(faults.is_empty(), "{faults:?}");
    assert_eq!(service["spec"]["ports"], json!([{"port": 80, "protocol": "TCP", "targetPort": 80}]));
    for (field, value) in [
        ("type", json!("ClusterIP")),
        ("sessionAffinity", json!("None")),
        ("internalTrafficPolicy", json!("Cluster")),
        ("ipFamilies", json!(["IPv4"])),
        ("ipFamilyPolicy", json!("SingleStack")),
    ] {
        assert_eq!(service["spec"][field], value, "{field}");
    }
    assert_eq!(service["status"], json!({"loadBalancer": {}}));
}

#[test]
fn faults_of_services() {
    let faults = |spec: Value| checked("Service", json!({"spec": spec})).1;
    has(&faults(json!({})), "spec.ports: Required value");
    has(
        &faults(json!({"ports": [{"port": 0}]})),
        "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
    );
    has(&faults(json!({"ports": [{"port": 1}, {"port": 2}]})), "spec.ports[0].name: Required value");
    has(
        &faults(json!({"ports": [{"port": 1, "name": "a"}, {"port": 2, "name": "a"}]})),
        "spec.ports[1].name: Duplicate value: \"a\"",
    );
    has(
        &faults(json!({"ports": [{"port": 1, "name": "a"}, {"port": 1, "name": "b"}]})),
        "spec.ports[1]: Duplicate value",
    );
    has(&faults(json!({"ports": [{"port": 1, "protocol": "X"}]})), "Unsupported value: \"X\"");
    has(&faults(json!({"type": "Some", "ports": [{"port": 1}]})), "spec.type: Unsupported value: \"Some\"");
    has(&faults(json!({"type": "ExternalName"})), "spec.externalName: Required value");
    assert!(faults(json!({"clusterIP": "None", "selector": {"a": "b"}})).is_empty());
    let (_, name) = checked("Service", json!({"metadata": {"name": "1web"}, "spec": {"ports": [{"port": 1}]}}));
    has(&name, "metadata.name: Invalid value: \"1web\": a DNS-1035 label must");
}

#[test]
fn a_cluster_ip_stays() {
    let of = |ip: &str| json!({"spec": {"clusterIP": ip, "ports": [{"port": 80}]}});
    let (old, _) = checked("Service", of("10.43.0.5"));
    has(&updated("Service", of("10.43.0.6"), Some(&old)).1, "may not change once set");
    assert!(updated("Service", of("10.43.0.5"), Some(&old)).1.is_empty());
}

#[test]
fn a_pod_gets_its_defaults() {
    let (pod, faults) = checked(
        "Pod",
        json!({"spec": {
            "containers": [{"name": "c", "image": "local/true", "ports": [{"containerPort": 80}],
                "readinessProbe": {"httpGet": {"port": 80}},
                "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]}],
            "volumes": [{"name": "v", "configMap": {"name": "x"}}, {"name": "e"}]
        }}),
    );
    assert!(faults.is_empty(), "{faults:?}");
    let (spec, c) = (&pod["spec"], &pod["spec"]["containers"][0]);
    assert_eq!((&spec["restartPolicy"], &spec["dnsPolicy"]), (&json!("Always"), &json!("ClusterFirst")));
    assert_eq!(spec["terminationGracePeriodSeconds"], 30);
    assert_eq!(c["imagePullPolicy"], "Always");
    assert_eq!(c["ports"][0]["protocol"], "TCP");
    assert_eq!(c["env"][0]["valueFrom"]["fieldRef"]["apiVersion"], "v1");
    let probe = json!({"failureThreshold": 3, "httpGet": {"path": "/", "port": 80, "scheme": "HTTP"}, "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1});
    assert_eq!(c["readinessProbe"], probe);
    assert_eq!(spec["volumes"][0]["configMap"]["defaultMode"], 420);
    assert_eq!(spec["volumes"][1]["emptyDir"], json!({}));
    assert_eq!(pod["status"]["phase"], "Pending");
}

#[test]
fn images_with_a_tag_are_pulled_once() {
    for (image, policy) in
        [("a:1", "IfNotPresent"), ("a:latest", "Always"), ("h:5000/a", "Always"), ("a@sha256:0", "IfNotPresent")]
    {
        let (pod, _) = checked("Pod", json!({"spec": {"containers": [{"name": "c", "image": image}]}}));
        assert_eq!(pod["spec"]["containers"][0]["imagePullPolicy"], policy, "{image}");
    }
}

#[test]
fn faults_of_pods() {
    let faults = |spec: Value| checked("Pod", json!({"spec": spec})).1;
    has(&faults(json!({})), "spec.containers: Required value");
    has(&faults(json!({"containers": [{"name": "c"}]})), "spec.containers[0].image: Required value");
    has(&faults(json!({"containers": [{"image": "i"}]})), "spec.containers[0].name: Required value");
    has(
        &faults(json!({"containers": [{"name": "c", "image": "i"}, {"name": "c", "image": "i"}]})),
        "spec.containers[1].name: Duplicate value: \"c\"",
    );
    has(
        &faults(
            json!({"containers": [{"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]}),
        ),
        "spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
    );
    has(
        &faults(json!({"containers": [{"name": "c", "image": "i", "readinessProbe": {}}]})),
        "must specify a handler type",
    );
    has(
        &faults(json!({"containers": [{"name": "c", "image": "i", "restartPolicy": "Always"}]})),
        "may not be set for non-init containers",
    );
    has(
        &faults(json!({"restartPolicy": "Maybe", "containers": [{"name": "c", "image": "i"}]})),
        "spec.restartPolicy: Unsupported value: \"Maybe\"",
    );
    let sidecar = json!({"containers": [{"name": "c", "image": "i"}], "initContainers": [{"name": "p", "image": "i", "restartPolicy": "Always", "readinessProbe": {"tcpSocket": {"port": 1}}}]});
    assert!(faults(sidecar).is_empty());
}

#[test]
fn of_a_pod_only_the_image_and_little_else_may_change() {
    let (old, _) = checked("Pod", json!({"spec": pod_spec()}));
    let mut image = old.clone();
    image["spec"]["containers"][0]["image"] = "local/false".into();
    assert!(updated("Pod", image, Some(&old)).1.is_empty());
    let mut bound = old.clone();
    bound["spec"]["nodeName"] = "n".into();
    assert!(updated("Pod", bound.clone(), Some(&old)).1.is_empty());
    let mut moved = bound.clone();
    moved["spec"]["nodeName"] = "m".into();
    has(&updated("Pod", moved, Some(&bound)).1, "spec: Forbidden: pod updates may not change fields");
}

#[test]
fn deployments_select_their_own_pods() {
    let of = |labels: Value| json!({"spec": {"selector": {"matchLabels": {"app": "a"}}, "template": {"metadata": {"labels": labels}, "spec": pod_spec()}}});
    let (deployment, faults) = checked("Deployment", of(json!({"app": "a"})));
    assert!(faults.is_empty(), "{faults:?}");
    let spec = &deployment["spec"];
    assert_eq!(
        (&spec["replicas"], &spec["revisionHistoryLimit"], &spec["progressDeadlineSeconds"]),
        (&json!(1), &json!(10), &json!(600))
    );
    assert_eq!(
        spec["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}})
    );
    assert_eq!(spec["template"]["spec"]["restartPolicy"], "Always");
    has(&checked("Deployment", of(json!({"app": "b"}))).1, "`selector` does not match template `labels`");
    let mut other = deployment.clone();
    other["spec"]["selector"] = json!({"matchLabels": {"app": "b"}});
    has(
        &updated("Deployment", other, Some(&deployment)).1,
        "spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"b\"}}: field is immutable",
    );
}

#[test]
fn secrets_take_plain_text() {
    let (secret, faults) = checked("Secret", json!({"data": {"a": "eA=="}, "stringData": {"b": "y"}}));
    assert!(faults.is_empty());
    assert_eq!(secret["data"], json!({"a": "eA==", "b": "eQ=="}));
    assert_eq!((secret.get("stringData"), &secret["type"]), (None, &json!("Opaque")));
    has(&checked("ConfigMap", json!({"data": {"a b": "1"}})).1, "data[a b]: Invalid value");
    let (locked, _) = checked("ConfigMap", json!({"immutable": true, "data": {"a": "1"}}));
    has(
        &updated("ConfigMap", json!({"immutable": true, "data": {"a": "2"}}), Some(&locked)).1,
        "field is immutable when `immutable` is set",
    );
}

#[test]
fn metadata_of_every_kind() {
    has(&checked("ConfigMap", json!({"metadata": {"name": "A"}})).1, "a lowercase RFC 1123 subdomain must");
    has(
        &checked("ConfigMap", json!({"metadata": {"labels": {"a b": "c"}}})).1,
        "metadata.labels: Invalid value: \"a b\"",
    );
    has(
        &checked("ConfigMap", json!({"metadata": {"labels": {"a": "-"}}})).1,
        "metadata.labels: Invalid value: \"-\": a valid label must",
    );
    has(&checked("ConfigMap", json!({"metadata": {"finalizers": ["x y"]}})).1, "metadata.finalizers[0]");
    has(
        &checked("ConfigMap", json!({"metadata": {"ownerReferences": [{"kind": "Pod"}]}})).1,
        "metadata.ownerReferences[0].uid",
    );
    has(&checked("Namespace", json!({"metadata": {"name": "a.b"}})).1, "a lowercase RFC 1123 label must");
    assert!(checked("ClusterRole", json!({"metadata": {"name": "system:node"}})).1.is_empty());
    let (namespace, faults) = checked("Namespace", json!({}));
    assert!(faults.is_empty());
    assert_eq!(namespace["metadata"]["labels"]["kubernetes.io/metadata.name"], "a");
    // An update is defaulted too: it must not bring back what its controller took away.
    assert_eq!((namespace.get("spec"), namespace.get("status")), (None, None));
    let (old, _) =
        checked("ConfigMap", json!({"metadata": {"deletionTimestamp": "2026-11-21T00:00:00Z", "finalizers": ["a/b"]}}));
    let mut more = old.clone();
    more["metadata"]["finalizers"] = json!(["a/b", "c/d"]);
    has(&updated("ConfigMap", more, Some(&old)).1, "no new finalizers can be added");
}

#[test]
fn webhook_configurations() {
    let hook = json!({"name": "a.b.c", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"name": "s", "namespace": "d"}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]});
    let (config, faults) = checked("MutatingWebhookConfiguration", json!({"webhooks": [hook]}));
    assert!(faults.is_empty(), "{faults:?}");
    let hook = &config["webhooks"][0];
    assert_eq!(
        (&hook["failurePolicy"], &hook["timeoutSeconds"], &hook["reinvocationPolicy"]),
        (&json!("Fail"), &json!(10), &json!("Never"))
    );
    assert_eq!(hook["clientConfig"]["service"]["port"], 443);
    assert_eq!(hook["rules"][0]["scope"], "*");
    has(
        &checked("ValidatingWebhookConfiguration", json!({"webhooks": [{"name": "a"}]})).1,
        "webhooks[0].sideEffects: Required value",
    );
}

#[test]
fn custom_resource_definitions() {
    let of = |schema: Value| {
        json!({"metadata": {"name": "splits.x.io"}, "spec": {"group": "x.io", "scope": "Namespaced", "names": {"kind": "Split", "plural": "splits"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}})
    };
    let (crd, faults) = checked("CustomResourceDefinition", of(json!({"type": "object"})));
    assert!(faults.is_empty(), "{faults:?}");
    assert_eq!(
        (&crd["spec"]["names"]["singular"], &crd["spec"]["names"]["listKind"]),
        (&json!("split"), &json!("SplitList"))
    );
    assert_eq!(crd["spec"]["conversion"]["strategy"], "None");
    let faults = checked("CustomResourceDefinition", of(json!({"type": "object", "properties": {"a": {}}}))).1;
    has(
        &faults,
        "spec.versions[0].schema.openAPIV3Schema.properties[a].type: Required value: must not be empty for specified object fields",
    );
    let mut named = of(json!({"type": "object"}));
    named["metadata"]["name"] = "other.x.io".into();
    has(&checked("CustomResourceDefinition", named).1, "must be spec.names.plural+\".\"+spec.group");
    let mut twice = of(json!({"type": "object"}));
    twice["spec"]["versions"] = json!([]);
    has(&checked("CustomResourceDefinition", twice).1, "spec.versions: Required value");
}

#[test]
fn defaulting_twice_changes_nothing() {
    for resource in builtin::all() {
        for object in [
            json!({}),
            json!({"spec": {"containers": [{"image": "a"}], "ports": [{"port": 1}], "versions": [{}]}, "webhooks": [{}]}),
            json!([]),
            json!({"spec": 3}),
        ] {
            let mut once = object;
            default_object(resource, &mut once);
            let mut twice = once.clone();
            default_object(resource, &mut twice);
            assert_eq!(once, twice, "{}", resource.kind);
            let _ = validate_object(resource, &once, Some(&twice));
        }
    }
}

/// A workload of a container, with these fields in its spec and this restart policy.
fn workload(spec: Value, policy: Option<&str>) -> Value {
    let mut whole = json!({"template": {"metadata": {"labels": {"app": "a"}}, "spec": pod_spec()}});
    if let Some(policy) = policy {
        whole["template"]["spec"]["restartPolicy"] = json!(policy);
    }
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({"spec": whole})
}

#[test]
fn a_stateful_set_asks_for_nothing_that_the_embedded_cluster_cannot_keep() {
    let of = |spec: Value| {
        let mut whole = json!({"selector": {"matchLabels": {"app": "a"}}, "serviceName": "a"});
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        workload(whole, None)
    };
    let (set, faults) = checked("StatefulSet", of(json!({})));
    assert!(faults.is_empty(), "{faults:?}");
    assert_eq!((&set["spec"]["podManagementPolicy"], &set["spec"]["replicas"]), (&json!("OrderedReady"), &json!(1)));
    assert_eq!(set["spec"]["updateStrategy"], json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}));
    for (spec, fault) in [
        (json!({"volumeClaimTemplates": [{}]}), "spec.volumeClaimTemplates: Forbidden"),
        (json!({"updateStrategy": {"rollingUpdate": {"partition": 1}}}), "rollingUpdate.partition: Forbidden"),
        (json!({"updateStrategy": {"type": "Recreate"}}), "spec.updateStrategy.type: Unsupported value"),
        (json!({"podManagementPolicy": "Any"}), "spec.podManagementPolicy: Unsupported value"),
        (json!({"replicas": -1}), "spec.replicas: Invalid value: -1"),
        (json!({"selector": {"matchLabels": {"app": "b"}}}), "does not match template `labels`"),
    ] {
        has(&checked("StatefulSet", of(spec)).1, fault);
    }
    has(&updated("StatefulSet", of(json!({"serviceName": "b"})), Some(&set)).1, "spec.serviceName");
    let none: [Value; 0] = [];
    assert!(checked("StatefulSet", of(json!({"volumeClaimTemplates": none}))).1.is_empty());
}

#[test]
fn a_daemon_set_rolls_one_by_one() {
    let (set, faults) = checked("DaemonSet", workload(json!({"selector": {"matchLabels": {"app": "a"}}}), None));
    assert!(faults.is_empty(), "{faults:?}");
    let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}});
    assert_eq!(set["spec"]["updateStrategy"], rolling);
}

#[test]
fn a_replication_controller_selects_by_its_templates_labels() {
    let (controller, faults) = checked("ReplicationController", workload(json!({}), None));
    assert!(faults.is_empty(), "{faults:?}");
    assert_eq!(controller["spec"]["selector"], json!({"app": "a"}));
    let other = workload(json!({"selector": {"app": "b"}}), None);
    has(&checked("ReplicationController", other).1, "does not match template `labels`");
    has(&checked("ReplicationController", workload(json!({"selector": {}}), None)).1, "spec.selector: Required value");
}

#[test]
fn a_job_is_of_one_pod_unless_it_says_otherwise_and_of_no_sort_that_is_not_there() {
    let (job, faults) = checked("Job", workload(json!({}), Some("Never")));
    assert!(faults.is_empty(), "{faults:?}");
    assert_eq!((&job["spec"]["completions"], &job["spec"]["parallelism"]), (&json!(1), &json!(1)));
    let (queue, _) = checked("Job", workload(json!({"parallelism": 2}), Some("OnFailure")));
    assert_eq!(queue["spec"].get("completions"), None);
    has(&checked("Job", workload(json!({}), None)).1, "restartPolicy: Unsupported value: \"Always\"");
    for (spec, fault) in [
        (json!({"completionMode": "Indexed"}), "spec.completionMode: Unsupported value"),
        (json!({"podFailurePolicy": {"rules": []}}), "spec.podFailurePolicy: Forbidden"),
        (json!({"manualSelector": true}), "spec.manualSelector: Forbidden"),
        (json!({"backoffLimit": -1}), "spec.backoffLimit: Invalid value: -1"),
    ] {
        has(&checked("Job", workload(spec, Some("Never"))).1, fault);
    }
    has(&updated("Job", workload(json!({"completions": 2}), Some("Never")), Some(&job)).1, "spec.completions");
}
