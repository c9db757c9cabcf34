//! What others see of a pod that is being ended.

use futures::StreamExt;
use kube::api::{DeleteParams, WatchEvent, WatchParams};
use serde_json::{Value, json};

use crate::cluster::{Cluster, condition};

/// Until its program has ended a container is as ready as its probe says: an endpoint that terminates may go on serving.
pub(crate) async fn serves_to_the_end(cluster: &Cluster) {
    let hook = "touch /dev/shm/told; until test -e /dev/shm/go; do sleep 0.05; done";
    let container = json!({"name": "c", "image": "local/sh", "args": ["-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"],
        "readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1},
        "lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", hook]}}}});
    cluster.pod("serving", json!({"containers": [container]})).await;
    cluster.ready("serving").await;
    let only_it = WatchParams::default().fields("metadata.name=serving");
    let mut watch = cluster.pods().watch(&only_it, "0").await.unwrap().boxed();
    cluster.pods().delete("serving", &DeleteParams::default()).await.unwrap();
    while cluster.exec("serving", "c", &["test", "-e", "/dev/shm/told"], false).await.0 != 0 {}
    assert_eq!(cluster.exec("serving", "c", &["touch", "/dev/shm/go"], false).await.0, 0);
    let mut ending = 0;
    loop {
        let pod = match watch.next().await.unwrap().unwrap() {
            WatchEvent::Deleted(_) => break,
            WatchEvent::Added(pod) | WatchEvent::Modified(pod) => serde_json::to_value(pod).unwrap(),
            _ => continue,
        };
        let runs = pod["status"]["containerStatuses"][0]["state"]["running"] != Value::Null;
        if runs && pod["metadata"]["deletionTimestamp"] != Value::Null {
            ending += 1;
            assert_eq!(condition(&pod, "Ready"), "True", "{}", pod["status"]);
        }
    }
    assert!(ending > 0, "the pod was never seen while it ended");
}
