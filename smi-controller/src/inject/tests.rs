use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use isthmus_core::id::TrustDomain;
use isthmus_identity::Authority;
use serde_json::json;

use super::*;
use crate::{ca::Roots, webhook::Request};

fn injector() -> Injector {
    let domain = TrustDomain::new("isthmus.local").unwrap();
    let root = Authority::generate(domain.clone(), SystemTime::now(), Duration::from_secs(3600)).unwrap();
    Injector::new(&Config::new(domain), Roots::fixed(Arc::new(root))).unwrap()
}

fn pod() -> Value {
    json!({
        "metadata": {"generateName": "web-"},
        "spec": {
            "initContainers": [{"name": "migrate", "image": "m"}],
            "containers": [{"name": "app", "image": "a"}, {"name": "helper", "image": "h"}]
        }
    })
}

fn review(pod: &Value) -> Answer {
    let request = json!({"uid": "1", "kind": {"group": "", "kind": "Pod"}, "operation": "CREATE", "namespace": "shop", "object": pod});
    injector().decide(&serde_json::from_value::<Request>(request).unwrap())
}

fn injected(pod: &Value) -> Value {
    let mut after = pod.clone();
    json_patch::patch(&mut after, &review(pod).patch.expect("not injected")).unwrap();
    after
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect()
}

#[test]
fn the_sidecar_comes_first_after_its_init_container() {
    let after = injected(&pod());
    assert_eq!(names(&after["spec"]["initContainers"]), ["isthmus-init", "isthmus-proxy", "migrate"]);
    assert_eq!(names(&after["spec"]["containers"]), ["app", "helper"]);
    let proxy = &after["spec"]["initContainers"][1];
    assert_eq!((&proxy["restartPolicy"], &proxy["securityContext"]["runAsUser"]), (&json!("Always"), &json!(2102)));
    assert_eq!(proxy["startupProbe"]["httpGet"], json!({"path": "/ready", "port": 15020}));
    let token = &after["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!((&token["audience"], &token["path"]), (&json!("isthmus"), &json!("token")));
    let env: Vec<_> = names(&proxy["env"]);
    for name in [
        "ISTHMUS_CONTROL_ADDR",
        "ISTHMUS_TRUST_DOMAIN",
        "ISTHMUS_TRUST_BUNDLE",
        "ISTHMUS_MESH",
        "ISTHMUS_CONTROLLER_ID",
        "ISTHMUS_TOKEN_FILE",
        "POD_NAMESPACE",
        "POD_NAME",
        "POD_IP",
        "ISTHMUS_LOG",
    ] {
        assert!(env.contains(&name), "{name}");
    }
    assert_eq!(proxy["env"][0]["value"], "isthmus-controller.isthmus-system.svc.cluster.local:15010");
    assert_eq!(proxy["env"][1]["value"], "spiffe://isthmus.local/ns/isthmus-system/sa/isthmus-controller");
}

#[test]
fn prometheus_finds_the_sidecar_unless_it_is_to_find_the_application() {
    let annotations = |pod: &Value| injected(pod)["metadata"]["annotations"].clone();
    let found = annotations(&pod());
    for (key, value) in [("scrape", "true"), ("port", "15020"), ("path", "/metrics")] {
        assert_eq!(found[format!("prometheus.io/{key}")], value);
    }
    for own in [json!({"prometheus.io/port": "8080"}), json!({"prometheus.io/scrape": "false"})] {
        let mut scraped = pod();
        scraped["metadata"]["annotations"] = own.clone();
        let after = annotations(&scraped);
        let of_prometheus = |a: &Value| -> Value {
            a.as_object()
                .unwrap()
                .iter()
                .filter(|(k, _)| k.starts_with("prometheus.io/"))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect()
        };
        assert_eq!(of_prometheus(&after), own);
    }
}

#[test]
fn kubectl_still_finds_the_application() {
    let after = injected(&pod());
    assert_eq!(after["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"], "app");
    let mut named = pod();
    named["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/default-container": "helper"});
    assert_eq!(injected(&named)["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"], "helper");
}

#[test]
fn injecting_twice_changes_nothing() {
    let answer = review(&injected(&pod()));
    assert!(answer.patch.is_none() && answer.refusal.is_none());
}

#[test]
fn a_pod_may_opt_out_by_label_or_annotation() {
    for place in ["labels", "annotations"] {
        let mut out = pod();
        out["metadata"][place] = json!({"isthmus.mesh/inject": "disabled"});
        assert!(review(&out).patch.is_none());
    }
}

#[test]
fn a_pod_on_its_nodes_network_is_left_alone_with_a_word() {
    let mut host = pod();
    host["spec"]["hostNetwork"] = json!(true);
    let answer = review(&host);
    assert!(answer.patch.is_none() && answer.refusal.is_none() && answer.warnings[0].contains("network"));
}

#[test]
fn nothing_else_may_run_as_the_sidecars_user() {
    let mut own = pod();
    own["spec"]["containers"][1]["securityContext"] = json!({"runAsUser": 2102});
    assert!(review(&own).refusal.unwrap().contains("helper"));
    let mut whole = pod();
    whole["spec"]["securityContext"] = json!({"runAsUser": 2102});
    assert!(review(&whole).refusal.is_some());
}

#[test]
fn annotations_become_arguments_and_bad_ones_are_refused() {
    let mut skipping = pod();
    skipping["metadata"]["annotations"] =
        json!({"isthmus.mesh/skip-inbound-ports": "22, 23", "isthmus.mesh/skip-outbound-ports": "25"});
    assert_eq!(
        injected(&skipping)["spec"]["initContainers"][0]["args"],
        json!(["--skip-inbound-ports=22,23", "--skip-outbound-ports=25"])
    );
    for (key, value) in [
        ("isthmus.mesh/skip-inbound-ports", "http"),
        ("isthmus.mesh/plaintext-ports", "70000"),
        ("isthmus.mesh/plaintext-sources", "10.0.0.0/99"),
    ] {
        let mut bad = pod();
        bad["metadata"]["annotations"] = json!({key: value});
        let refusal = review(&bad).refusal.unwrap();
        assert!(refusal.contains(key) && refusal.contains(value), "{refusal}");
    }
}

#[test]
fn a_pod_that_nothing_else_put_into_the_mesh_may_ask_by_annotation() {
    let mut asking = pod();
    let review = |pod: &Value| {
        let request = json!({"uid": "1", "kind": {"kind": "Pod"}, "operation": "CREATE", "object": pod});
        injector().decide_annotated(&serde_json::from_value(request).unwrap())
    };
    assert!(review(&asking).patch.is_none());
    asking["metadata"]["annotations"] = json!({"isthmus.mesh/inject": "enabled"});
    assert!(review(&asking).patch.is_some());
    asking["metadata"]["annotations"]["isthmus.mesh/plaintext-ports"] = json!("all");
    assert!(review(&asking).refusal.is_some());
}

#[test]
fn only_new_pods_are_looked_at() {
    let request = json!({"uid": "1", "kind": {"kind": "Pod"}, "operation": "UPDATE", "object": pod()});
    assert!(injector().decide(&serde_json::from_value(request).unwrap()).patch.is_none());
}

#[test]
fn where_users_cannot_be_told_apart_the_sidecar_marks_its_sockets() {
    let config = Config { proxy_mark: Some(0x1574), ..Config::new(TrustDomain::new("isthmus.local").unwrap()) };
    let marked = Injector::new(
        &config,
        crate::ca::Roots::fixed(std::sync::Arc::new(
            isthmus_identity::Authority::generate(
                TrustDomain::new("isthmus.local").unwrap(),
                std::time::SystemTime::now(),
                std::time::Duration::from_secs(3600),
            )
            .unwrap(),
        )),
    )
    .unwrap()
    .inject(&pod());
    let mark = json!({"name": "ISTHMUS_PROXY_MARK", "value": "5492"});
    for container in &marked["spec"]["initContainers"].as_array().unwrap()[..2] {
        assert!(container["env"].as_array().unwrap().contains(&mark), "{container}");
    }
    assert_eq!(marked["spec"]["initContainers"][1]["securityContext"]["capabilities"]["add"], json!(["NET_RAW"]));
    let plain = injected(&pod());
    assert_eq!(plain["spec"]["initContainers"][1]["securityContext"]["capabilities"], json!({"drop": ["ALL"]}));
}

#[test]
fn traces_go_to_the_meshs_collector_unless_the_pod_names_its_own() {
    let mut injector = injector();
    let told = |injector: &Injector, annotations: Value| {
        let mut pod = pod();
        pod["metadata"]["annotations"] = annotations;
        let injected = injector.inject(&pod);
        let sidecar = &injected["spec"]["initContainers"][1];
        let env = sidecar["env"].as_array().unwrap();
        let env = [
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "ISTHMUS_TRACE_SAMPLING",
            "ISTHMUS_TRACE_CA",
            "ISTHMUS_TRACE_HEADERS_FILE",
        ]
        .map(|name| env.iter().find(|e| e["name"] == name).map_or("", |e| e["value"].as_str().unwrap()).to_owned());
        let volumes = injected["spec"]["volumes"].as_array().unwrap().iter();
        let secret = volumes.filter_map(|volume| volume["secret"]["secretName"].as_str()).next();
        let folder = "/var/run/secrets/isthmus-traces";
        let mounts = sidecar["volumeMounts"].as_array().unwrap().iter().filter(|m| m["mountPath"] == folder).count();
        assert_eq!(mounts, usize::from(secret.is_some()));
        (env, secret.unwrap_or_default().to_owned())
    };
    let of = |env: [&str; 5], secret: &str| (env.map(str::to_owned), secret.to_owned());
    let file = "/var/run/secrets/isthmus-traces/headers";
    assert_eq!(told(&injector, json!({})), of([""; 5], ""));
    injector.traces = Traces {
        endpoint: Some("https://otel:4318".into()),
        protocol: Some("http/protobuf".parse().unwrap()),
        sampling: Some("0.5".parse().unwrap()),
        roots: Some("PEM".into()),
        headers_secret: Some("otel-token".parse().unwrap()),
    };
    let meshs = ["https://otel:4318", "http/protobuf", "0.5", "PEM", file];
    assert_eq!(told(&injector, json!({})), of(meshs, "otel-token"));
    let another = json!({"isthmus.mesh/trace-headers-secret": "mine"});
    assert_eq!(told(&injector, another), of(meshs, "mine"));
    assert_eq!(told(&injector, json!({"isthmus.mesh/trace-endpoint": "off"})), of([""; 5], ""));
    // The mesh's headers are secrets, and no business of another collector.
    let own = json!({"isthmus.mesh/trace-endpoint": "http://mine:4317"});
    assert_eq!(told(&injector, own), of(["http://mine:4317", "", "0.5", "", ""], ""));
    let both = json!({"isthmus.mesh/trace-endpoint": "http://mine:4317", "isthmus.mesh/trace-headers-secret": "mine"});
    assert_eq!(told(&injector, both), of(["http://mine:4317", "", "0.5", "", file], "mine"));
    for (annotation, value, says) in [
        ("isthmus.mesh/trace-endpoint", "otel:4317", "trace-endpoint: \"otel:4317\" is no URL"),
        ("isthmus.mesh/trace-headers-secret", "Mine", "trace-headers-secret: \"Mine\" is no name of a Secret"),
    ] {
        let mut bad = pod();
        bad["metadata"]["annotations"] = json!({ annotation: value });
        assert!(review(&bad).refusal.unwrap().contains(says), "{annotation}");
    }
}
