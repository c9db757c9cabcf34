//! The cases: each has pods of its own on the same node.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use isthmus_local_kubelet::{LogOptions, Runtime, RuntimeError};
use kube::api::DeleteParams;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::cluster::{Cluster, LIMIT, condition, reference};
use crate::{doomed, ending, joined};

type Case = (&'static str, for<'a> fn(&'a Cluster) -> LocalBoxFuture<'a, ()>);

const CASES: &[Case] = &[
    ("a_pod_runs_to_its_end", |c| a_pod_runs_to_its_end(c).boxed_local()),
    ("names_and_service_addresses_work_in_pods", |c| names_and_addresses(c).boxed_local()),
    ("init_containers_and_sidecars_keep_their_order", |c| order(c).boxed_local()),
    ("a_failing_container_is_restarted_with_back_off", |c| back_off(c).boxed_local()),
    ("a_container_that_is_not_live_is_restarted", |c| liveness(c).boxed_local()),
    ("deletion_is_graceful_and_removes_the_object", |c| deletion(c).boxed_local()),
    ("a_pod_that_ends_serves_to_the_end", |c| ending::serves_to_the_end(c).boxed_local()),
    ("files_follow_their_objects", |c| files(c).boxed_local()),
    ("exec_with_and_without_terminal", |c| exec(c).boxed_local()),
    ("an_image_that_is_not_there_is_named", |c| bad_image(c).boxed_local()),
    ("a_pod_that_never_restarts_fails", |c| fails(c).boxed_local()),
    ("an_init_container_may_redirect_its_pods_traffic", |c| redirected(c).boxed_local()),
    ("the_node_and_its_lease", |c| node(c).boxed_local()),
    ("many_pods_at_once", |c| many(c).boxed_local()),
    ("two_clusters_side_by_side", |c| two(c).boxed_local()),
    ("joined_clusters_reach_each_others_balancers_alone", |c| joined::balancers_alone(c).boxed_local()),
    ("logs_follow_and_the_previous_run_is_kept", |c| logs(c).boxed_local()),
];

/// Runs the cases whose name holds `only`; how many failed.
pub(crate) async fn run(only: &str) -> usize {
    let state = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(state.path()).await;
    let mut failed = 0;
    for (name, case) in CASES.iter().filter(|(name, _)| name.contains(only)) {
        let began = std::time::Instant::now();
        let passed = AssertUnwindSafe(case(&cluster)).catch_unwind().await.is_ok();
        println!("test {name} ... {} ({:?})", if passed { "ok" } else { "FAILED" }, began.elapsed());
        failed += usize::from(!passed);
    }
    let name = "pods_of_an_earlier_node_are_started_anew";
    let cluster = if name.contains(only) {
        let cluster = cluster.restart_node(state.path()).await;
        let passed = AssertUnwindSafe(anew(&cluster)).catch_unwind().await.is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += usize::from(!passed);
        cluster
    } else {
        cluster
    };
    cluster.stop().await;
    let name = "nothing_outlives_a_killed_node";
    if name.contains(only) {
        let passed = tokio::task::spawn_blocking(doomed::kill_and_look).await.is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += usize::from(!passed);
    }
    failed
}

fn shell(script: &str) -> Value {
    json!({"name": "c", "image": "local/sh", "args": ["-c", script]})
}

fn log() -> LogOptions {
    LogOptions::default()
}

async fn a_pod_runs_to_its_end(cluster: &Cluster) {
    let mut container = shell("echo $WHO at $IP on $(hostname); pwd; echo to stderr >&2");
    container["env"] = json!([{"name": "WHO", "value": "I am $(HOSTNAME)"}, {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]);
    container["workingDir"] = json!("/usr");
    cluster.pod("job", json!({"restartPolicy": "Never", "containers": [container]})).await;
    let pod = cluster.phase("job", "Succeeded").await;
    let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!((&ended["exitCode"], &ended["reason"]), (&json!(0), &json!("Completed")));
    let ip = pod["status"]["podIP"].as_str().unwrap();
    let text = cluster.logs("job", "c", log()).await;
    assert!(text.contains(&format!("I am job at {ip} on job\n/usr\n")) && text.contains("to stderr"), "{text}");
    assert_eq!(pod["status"]["qosClass"], "BestEffort");
    assert_eq!(cluster.events("job", "Started").await, ["Started container c"]);
}

async fn names_and_addresses(cluster: &Cluster) {
    let probe = json!({"httpGet": {"path": "/", "port": "http"}});
    let server = json!({"name": "c", "image": "test/app", "args": ["serve", "8080", "web"], "readinessProbe": probe,
        "ports": [{"name": "http", "containerPort": 8080}]});
    cluster.pod("web", json!({"containers": [server]})).await;
    let pod = cluster.ready("web").await;
    let service = json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}});
    let service = cluster.create("/api/v1/namespaces/default/services", service).await;
    let slice = json!({"metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [pod["status"]["podIP"]], "conditions": {"ready": true}}]});
    cluster.create("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", slice).await;
    let ip = service["spec"]["clusterIP"].as_str().unwrap();
    // The node hears of the Service by its watch; the router is the first to see it.
    let address = format!("{ip}:80").parse().unwrap();
    while cluster.router.dial(address).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let args = [
        "fetch",
        "web:80",
        "web.default:80",
        "web.default.svc.cluster.local.:80",
        &address.to_string(),
        "web:81",
        "nope:80",
    ];
    let client = json!({"name": "c", "image": "test/app", "args": args});
    cluster.pod("client", json!({"restartPolicy": "Never", "containers": [client]})).await;
    let client = cluster.phase("client", "Succeeded").await;
    let text = cluster.logs("client", "c", log()).await;
    let answer = format!("web sees {}", client["status"]["podIP"].as_str().unwrap());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..4], [&answer; 4], "{text}");
    assert!(lines[4].contains("refused") && lines[5].contains("failed"), "{text}");
    // A pod may call itself by its Service; its own address would be dropped on the way back.
    let (code, text) = cluster.exec("web", "c", &["/proc/self/exe", "app", "fetch", "web.default:80"], false).await;
    assert_eq!((code, text.trim()), (0, "web sees 10.42.0.1"));
    let mut stream = cluster.node.runtime().connect("default", "web", 8080).await.unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("web sees 127.0.0.1"), "{text}");
}

async fn order(cluster: &Cluster) {
    let volume = json!([{"name": "v", "emptyDir": {}}]);
    let mounts = json!([{"name": "v", "mountPath": "/isthmus-order"}]);
    let step = |name: &str, script: &str| json!({"name": name, "image": "local/sh", "args": ["-c", script], "volumeMounts": mounts});
    let mut sidecar = step(
        "side",
        "echo side >> /isthmus-order/log; trap 'echo side-ends >> /isthmus-order/log; exit 0' TERM; while :; do sleep 0.05; done",
    );
    sidecar["restartPolicy"] = json!("Always");
    sidecar["startupProbe"] =
        json!({"exec": {"command": ["grep", "-q", "side", "/isthmus-order/log"]}, "periodSeconds": 1});
    sidecar["lifecycle"] = json!({"preStop": {"exec": {"command": ["sh", "-c", "echo hook >> /isthmus-order/log; cat /isthmus-order/log > /proc/1/fd/1"]}}});
    let spec = json!({"restartPolicy": "Never", "volumes": volume,
        "initContainers": [step("first", "echo first > /isthmus-order/log"), sidecar, step("second", "echo second >> /isthmus-order/log")],
        "containers": [step("c", "echo main >> /isthmus-order/log")]});
    cluster.pod("order", spec).await;
    let pod = cluster.phase("order", "Succeeded").await;
    assert_eq!(cluster.logs("order", "side", log()).await, "first\nside\nsecond\nmain\nhook\n");
    assert_eq!(pod["status"]["initContainerStatuses"].as_array().unwrap().len(), 3);
    assert_eq!(condition(&pod, "Ready"), "False");
}

async fn back_off(cluster: &Cluster) {
    cluster.pod("crash", json!({"containers": [shell("echo run; exit 3")]})).await;
    let pod =
        cluster.until("crash", |pod| pod["status"]["containerStatuses"][0]["restartCount"].as_i64() >= Some(2)).await;
    let status = &pod["status"]["containerStatuses"][0];
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 3, "{status}");
    let waits = |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff";
    let pod = cluster.until("crash", waits).await;
    assert_eq!(pod["status"]["phase"], "Running");
    assert!(!cluster.events("crash", "BackOff").await.is_empty());
}

async fn liveness(cluster: &Cluster) {
    let mut container = shell("touch /dev/shm/ok; trap 'exit 0' TERM; while :; do sleep 0.05; done");
    container["livenessProbe"] = json!({"exec": {"command": ["sh", "-c", "test -e /dev/shm/ok && rm /dev/shm/ok"]}, "periodSeconds": 1, "failureThreshold": 1});
    cluster.pod("live", json!({"containers": [container]})).await;
    cluster.until("live", |pod| pod["status"]["containerStatuses"][0]["restartCount"].as_i64() >= Some(1)).await;
    assert!(!cluster.events("live", "Unhealthy").await.is_empty());
    assert!(cluster.events("live", "Killing").await[0].contains("failed liveness probe"));
}

async fn deletion(cluster: &Cluster) {
    let mut polite =
        shell("trap 'echo told; sleep 0.3; exit 0' TERM; echo up; touch /dev/shm/up; while :; do sleep 0.05; done");
    polite["readinessProbe"] = json!({"exec": {"command": ["test", "-e", "/dev/shm/up"]}, "periodSeconds": 1});
    cluster.pod("polite", json!({"containers": [polite]})).await;
    cluster
        .pod("deaf", json!({"terminationGracePeriodSeconds": 1, "containers": [shell("trap '' TERM; sleep 600")]}))
        .await;
    cluster.ready("polite").await;
    cluster.ready("deaf").await;
    let following = LogOptions { follow: true, ..log() };
    let said = cluster.logs("polite", "c", following);
    let delete = async {
        cluster.pods().delete("polite", &DeleteParams::default()).await.unwrap();
        cluster.pods().delete("deaf", &DeleteParams::default()).await.unwrap();
        cluster.gone("polite").await;
        cluster.gone("deaf").await;
    };
    let (said, ()) = tokio::join!(said, delete);
    assert_eq!(said, "up\ntold\n");
}

async fn files(cluster: &Cluster) {
    let map = "/api/v1/namespaces/default/configmaps";
    let volumes = json!([{"name": "v", "projected": {"sources": [
        {"configMap": {"name": "late"}}, {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}}]}}]);
    let mut container = shell(
        "until [ \"$(cat /isthmus-files/key)\" = two ]; do sleep 0.02; done; cat /isthmus-files/key; grep -c . /isthmus-files/token",
    );
    container["volumeMounts"] = json!([{"name": "v", "mountPath": "/isthmus-files"}]);
    cluster.pod("files", json!({"restartPolicy": "Never", "volumes": volumes, "containers": [container]})).await;
    // It waits for what isn't there yet.
    while cluster.events("files", "FailedMount").await.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    cluster.create(map, json!({"metadata": {"name": "late"}, "data": {"key": "one"}})).await;
    cluster.phase("files", "Running").await;
    cluster.send("PATCH", &format!("{map}/late"), json!({"data": {"key": "two"}})).await;
    cluster.phase("files", "Succeeded").await;
    assert_eq!(cluster.logs("files", "c", log()).await, "two1\n");
}

async fn exec(cluster: &Cluster) {
    let mut container = shell("trap 'exit 0' TERM; while :; do sleep 0.05; done");
    container["env"] = json!([{"name": "COLOUR", "value": "blue"}]);
    cluster.pod("exec", json!({"containers": [container]})).await;
    cluster.ready("exec").await;
    assert_eq!(cluster.exec("exec", "c", &["sh", "-c", "echo $COLOUR; exit 5"], false).await, (5, "blue\n".into()));
    let (code, text) =
        cluster.exec("exec", "c", &["sh", "-c", "test -t 0 && test -t 1 && echo terminal; exit 6"], true).await;
    assert_eq!((code, text.trim()), (6, "terminal"));
    let options = isthmus_local_kubelet::ExecOptions { stdin: true, stdout: true, ..Default::default() };
    let mut process = cluster.node.runtime().exec(&reference("exec", "c"), vec!["cat".into()], options).await.unwrap();
    let mut stdin = process.stdin.take().unwrap();
    stdin.write_all(b"echoed").await.unwrap();
    drop(stdin);
    let mut text = String::new();
    process.stdout.take().unwrap().read_to_string(&mut text).await.unwrap();
    assert_eq!((text.as_str(), process.exit.await), ("echoed", 0));
    let unknown = cluster.node.runtime().exec(&reference("exec", "nope"), vec!["true".into()], options).await;
    assert!(matches!(unknown, Err(RuntimeError::UnknownContainer { .. })));
}

async fn bad_image(cluster: &Cluster) {
    cluster.pod("image", json!({"containers": [{"name": "c", "image": "nginx:1.27"}]})).await;
    let waiting =
        |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff";
    let pod = cluster.until("image", waiting).await;
    let message = pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"].as_str().unwrap();
    assert!(message.contains("nginx:1.27") && message.contains("local/<program>"), "{message}");
    assert_eq!(pod["status"]["phase"], "Pending");
    cluster.pods().delete("image", &DeleteParams::default()).await.unwrap();
    cluster.gone("image").await;
}

async fn fails(cluster: &Cluster) {
    cluster.pod("fails", json!({"restartPolicy": "Never", "containers": [shell("exit 9")]})).await;
    cluster.phase("fails", "Failed").await;
    let missing = json!({"name": "c", "image": "local/sh", "command": ["/no/such/program"]});
    cluster.pod("missing", json!({"restartPolicy": "Never", "containers": [missing]})).await;
    let pod = cluster.phase("missing", "Failed").await;
    let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert!(ended["message"].as_str().unwrap().contains("/no/such/program"), "{ended}");
}

async fn redirected(cluster: &Cluster) {
    let init = json!({"name": "init", "image": "test/app", "args": ["redirect", "15006"],
        "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}});
    let proxy = json!({"name": "proxy", "image": "test/app", "args": ["serve", "15006", "proxy"],
        "readinessProbe": {"tcpSocket": {"port": 80}}});
    cluster.pod("meshed", json!({"initContainers": [init], "containers": [proxy]})).await;
    let pod = cluster.ready("meshed").await;
    let target = format!("{}:80", pod["status"]["podIP"].as_str().unwrap());
    let client = json!({"name": "c", "image": "test/app", "args": ["fetch", target]});
    cluster.pod("caller", json!({"restartPolicy": "Never", "containers": [client]})).await;
    cluster.phase("caller", "Succeeded").await;
    assert!(cluster.logs("caller", "c", log()).await.starts_with("proxy sees 10.42."));
}

async fn node(cluster: &Cluster) {
    let node = cluster.send("GET", "/api/v1/nodes/node", Value::Null).await;
    assert_eq!(condition(&node, "Ready"), "True");
    assert_eq!(node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"], 10250);
    let lease =
        cluster.send("GET", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node", Value::Null).await;
    assert_eq!(lease["spec"]["holderIdentity"], "node");
}

async fn logs(cluster: &Cluster) {
    let once = "if [ -e /isthmus-logs/seen ]; then echo second; trap 'exit 0' TERM; while :; do sleep 0.05; done; fi; touch /isthmus-logs/seen; echo first; exit 1";
    let mut container = shell(once);
    container["volumeMounts"] = json!([{"name": "v", "mountPath": "/isthmus-logs"}]);
    cluster.pod("logs", json!({"volumes": [{"name": "v", "emptyDir": {}}], "containers": [container]})).await;
    cluster.until("logs", |pod| pod["status"]["containerStatuses"][0]["restartCount"] == 1).await;
    cluster.ready("logs").await;
    assert_eq!(cluster.logs("logs", "c", LogOptions { previous: true, ..log() }).await, "first\n");
    let limited = LogOptions { limit_bytes: Some(3), follow: true, ..log() };
    assert_eq!(cluster.logs("logs", "c", limited).await, "sec");
}

async fn many(cluster: &Cluster) {
    let names: Vec<String> = (0..30).map(|n| format!("many-{n}")).collect();
    let script = "trap 'exit 0' TERM; while :; do sleep 0.2; done";
    for name in &names {
        cluster.pod(name, json!({"containers": [shell(script)]})).await;
    }
    let mut addresses = std::collections::BTreeSet::new();
    for name in &names {
        let pod = cluster.ready(name).await;
        addresses.insert(pod["status"]["podIP"].as_str().unwrap().to_owned());
    }
    assert_eq!(addresses.len(), names.len());
    for name in &names {
        cluster.pods().delete(name, &DeleteParams::default()).await.unwrap();
    }
    for name in &names {
        cluster.gone(name).await;
    }
}

/// The same addresses twice, in two routers.
async fn two(first: &Cluster) {
    let state = tempfile::tempdir().unwrap();
    let second = Cluster::start(state.path()).await;
    for (cluster, name) in [(first, "one"), (&second, "two")] {
        cluster
            .pod("twin", json!({"containers": [{"name": "c", "image": "test/app", "args": ["serve", "80", name]}]}))
            .await;
    }
    for (cluster, name) in [(first, "one"), (&second, "two")] {
        let pod = cluster.ready("twin").await;
        let address = format!("{}:80", pod["status"]["podIP"].as_str().unwrap()).parse().unwrap();
        let mut text = String::new();
        while !text.contains(name) {
            if let Ok(mut stream) = cluster.router.dial(address).await {
                stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
                let _reset = stream.read_to_string(&mut text).await;
            }
        }
    }
    second.stop().await;
}

/// The pods of the cases before that were not deleted.
/// `exec` ran on the earlier node. Until the new one has written a status, the earlier one's is there: only what the new one runs is
/// something to go by.
async fn anew(cluster: &Cluster) {
    let end = Instant::now() + LIMIT;
    let said = loop {
        match cluster.try_exec("exec", "c", &["sh", "-c", "echo $COLOUR"], false).await {
            Ok(said) => break said,
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(said, (0, "blue\n".into()));
    let job = cluster.phase("job", "Succeeded").await;
    assert_eq!(condition(&job, "Ready"), "False");
}
