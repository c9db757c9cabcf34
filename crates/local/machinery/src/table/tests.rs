use super::*;
use crate::builtin;

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn cells(group: &str, version: &str, plural: &str, object: &Value) -> Vec<Value> {
    let columns = Columns::builtin(builtin::find(group, version, plural).unwrap());
    let table = to_table(&columns, [object], None, true, Include::Metadata, now());
    assert_eq!(
        table["columnDefinitions"].as_array().unwrap().len(),
        table["rows"][0]["cells"].as_array().unwrap().len()
    );
    table["rows"][0]["cells"].as_array().unwrap().clone()
}

fn pod(status: Value) -> Value {
    json!({
        "metadata": {"name": "p", "creationTimestamp": "2026-11-21T11:58:30Z"},
        "spec": {
            "initContainers": [{"name": "init"}, {"name": "proxy", "restartPolicy": "Always"}],
            "containers": [{"name": "app"}],
        },
        "status": status,
    })
}

fn shown(status: Value) -> (String, String) {
    let cells = cells("", "v1", "pods", &pod(status));
    (cells[1].as_str().unwrap().to_owned(), cells[2].as_str().unwrap().to_owned())
}

#[test]
fn the_status_of_a_pod_is_what_kubectl_shows() {
    let exited = json!({"name": "init", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
    let sidecar = json!({"name": "proxy", "started": true, "ready": true, "state": {"running": {}}});
    let app = |state: Value, ready: bool| json!({"name": "app", "ready": ready, "state": state});
    let up = json!([exited, sidecar]);
    let crash = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    for (status, ready, text) in [
        (json!({"phase": "Pending"}), "0/2", "Pending"),
        (
            json!({"phase": "Pending", "initContainerStatuses": [{"name": "init", "state": {"running": {}}}]}),
            "0/2",
            "Init:0/2",
        ),
        (
            json!({"phase": "Pending", "initContainerStatuses": [{"name": "init", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}),
            "0/2",
            "Init:Error",
        ),
        (
            json!({"phase": "Pending", "initContainerStatuses": [exited, {"name": "proxy", "state": {"waiting": {"reason": "PodInitializing"}}}]}),
            "0/2",
            "Init:1/2",
        ),
        (
            json!({"phase": "Running", "initContainerStatuses": up, "containerStatuses": [app(json!({"running": {}}), true)]}),
            "2/2",
            "Running",
        ),
        (
            json!({"phase": "Running", "initContainerStatuses": up, "containerStatuses": [app(crash, false)]}),
            "1/2",
            "CrashLoopBackOff",
        ),
        (
            json!({"phase": "Succeeded", "initContainerStatuses": up, "containerStatuses": [app(json!({"terminated": {"exitCode": 0, "reason": "Completed"}}), false)]}),
            "1/2",
            "Completed",
        ),
    ] {
        assert_eq!(shown(status.clone()), (ready.to_owned(), text.to_owned()), "{status}");
    }
}

#[test]
fn a_pod_that_is_being_deleted_is_terminating() {
    let mut pod = pod(json!({"phase": "Running"}));
    pod["metadata"]["deletionTimestamp"] = json!("2026-11-21T12:00:00Z");
    let cells = cells("", "v1", "pods", &pod);
    assert_eq!(cells[2], "Terminating");
    assert_eq!(cells[4], "90s");
}

#[test]
fn a_service_shows_its_ports_and_selector() {
    let service = json!({
        "metadata": {"name": "web", "creationTimestamp": "2026-11-19T09:00:00Z"},
        "spec": {"type": "NodePort", "clusterIP": "10.43.0.7", "selector": {"app": "web"},
                 "ports": [{"port": 80, "protocol": "TCP", "nodePort": 30080}, {"port": 53, "protocol": "UDP"}]},
    });
    assert_eq!(
        cells("", "v1", "services", &service),
        ["web", "NodePort", "10.43.0.7", "<none>", "80:30080/TCP,53/UDP", "2d3h", "app=web"]
    );
}

#[test]
fn ages_are_written_as_kubectl_writes_them() {
    for (seconds, text) in [
        (-5, "<invalid>"),
        (-1, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (600, "10m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (47 * 3600, "47h"),
        (48 * 3600, "2d"),
        (8 * 86400, "8d"),
        (800 * 86400, "2y70d"),
    ] {
        assert_eq!(age::human(seconds), text, "{seconds}");
    }
}

#[test]
fn custom_columns_follow_their_paths() {
    let columns = Columns::custom(Some(&json!([
        {"name": "Service", "type": "string", "jsonPath": ".spec.service"},
        {"name": "Programmed", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Programmed\")].status"},
        {"name": "Backends", "type": "string", "jsonPath": ".spec.backends", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ])));
    let split = json!({
        "metadata": {"name": "s", "creationTimestamp": "2026-11-21T11:59:57Z"},
        "spec": {"service": "web", "backends": [1]},
    });
    let table = to_table(&columns, [&split], Some(&json!({"resourceVersion": "7"})), true, Include::None, now());
    assert_eq!(table["rows"], json!([{"cells": ["s", "web", null, "[1]", "3s"]}]));
    assert_eq!(table["metadata"]["resourceVersion"], "7");
    assert_eq!(table["columnDefinitions"][3]["priority"], 1);
}

#[test]
fn every_built_in_kind_has_cells_for_its_columns() {
    for resource in builtin::all() {
        let name = json!({"metadata": {"name": "x"}});
        let table = to_table(&Columns::builtin(resource), [&name], None, true, Include::Metadata, now());
        let (cells, columns) = (&table["rows"][0]["cells"], &table["columnDefinitions"]);
        assert_eq!(cells.as_array().unwrap().len(), columns.as_array().unwrap().len(), "{}", resource.kind);
        assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    }
}
