//! Two clusters whose networks are joined.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::Cluster;

const SERVICES: &str = "/api/v1/namespaces/default/services";
const MAPS: &str = "/api/v1/namespaces/kube-system/configmaps";

/// A cluster's server, and the ways to it.
struct Server {
    balancer: String,
    cluster_ip: String,
    pod: String,
}

async fn serve(cluster: &Cluster, name: &str, address: &str) -> Server {
    let probe = json!({"tcpSocket": {"port": 8080}, "periodSeconds": 1});
    let server = json!({"name": "c", "image": "test/app", "args": ["serve", "8080", name], "readinessProbe": probe});
    cluster.pod("joined", json!({"containers": [server]})).await;
    let pod = cluster.ready("joined").await;
    let ip = pod["status"]["podIP"].as_str().unwrap();
    let spec =
        json!({"type": "LoadBalancer", "selector": {"app": "joined"}, "ports": [{"port": 80, "targetPort": 8080}]});
    let service = cluster.create(SERVICES, json!({"metadata": {"name": "joined"}, "spec": spec})).await;
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}});
    cluster.send("PATCH", &format!("{SERVICES}/joined/status"), status).await;
    let slice = json!({"metadata": {"name": "joined-1", "labels": {"kubernetes.io/service-name": "joined"}},
        "addressType": "IPv4", "ports": [{"port": 8080, "protocol": "TCP"}], "endpoints": [{"addresses": [ip]}]});
    cluster.create("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", slice).await;
    let balancer = format!("{address}:80");
    while cluster.router.dial(balancer.parse().unwrap()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let cluster_ip = service["spec"]["clusterIP"].as_str().unwrap();
    Server { balancer, cluster_ip: format!("{cluster_ip}:80"), pod: format!("{ip}:8080") }
}

/// What the server's pod hears from each address.
async fn fetch(cluster: &Cluster, targets: &[&str]) -> Vec<String> {
    let command = [&["/proc/self/exe", "app", "fetch"], targets].concat();
    let (code, text) = cluster.exec("joined", "c", &command, false).await;
    assert_eq!(code, 0, "{text}");
    text.lines().map(str::to_owned).collect()
}

/// Writes the faults, and waits until the node tells that they are in effect, or why not.
async fn set_faults(cluster: &Cluster, faults: &str) -> String {
    let map = format!("{MAPS}/isthmus-links");
    cluster.send("PATCH", &map, json!({"data": {"faults": faults}})).await;
    loop {
        let seen = cluster.send("GET", &map, Value::Null).await;
        match seen["metadata"]["annotations"]["isthmus-local/in-effect"].as_str() {
            Some(told) if told == faults || told.starts_with(&format!("refused: {faults}")) => return told.to_owned(),
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

pub(crate) async fn balancers_alone(east: &Cluster) {
    let state = tempfile::tempdir().unwrap();
    let west = Cluster::numbered(state.path(), "west", 1).await;
    let (here, there) = tokio::join!(serve(east, "east", "100.64.0.10"), serve(&west, "west", "100.64.1.10"));
    let alone = fetch(east, &[&here.balancer, &there.balancer]).await;
    assert!(alone[0].starts_with("east sees") && alone[1].starts_with("failed"), "before the join: {alone:?}");

    east.router.join(&west.router).await.unwrap();
    for (cluster, other, name, seen) in [(east, &there, "west", "100.127.0.1"), (&west, &here, "east", "100.127.1.0")] {
        let heard = fetch(cluster, &[&other.balancer, &other.pod, &other.cluster_ip]).await;
        assert_eq!(heard[0], format!("{name} sees {seen}"));
        assert!(heard[1..].iter().all(|heard| heard.starts_with("failed")), "{heard:?}");
        cluster.router.dial(other.balancer.parse().unwrap()).await.unwrap();
        let no_service = fetch(cluster, &[&other.balancer.replace(":80", ":81")]).await;
        assert!(no_service[0].contains("refused"), "{no_service:?}");
    }
    let again = east.router.join(&east.router).await.unwrap_err().to_string();
    assert!(again.contains("told apart"), "{again}");

    let ways = [there.balancer.as_str(), here.balancer.as_str()];
    east.create(MAPS, json!({"metadata": {"name": "isthmus-links"}})).await;
    let refused = set_faults(east, r#"[{"cluster": "wset"}]"#).await;
    assert!(refused.contains("no link to it") && refused.contains("west"), "{refused}");
    set_faults(east, r#"[{"cluster": "west", "port": 81}]"#).await;
    assert_eq!(fetch(east, &[&there.balancer]).await, ["west sees 100.127.0.1"], "another port");
    set_faults(east, r#"[{"cluster": "west", "port": 80}]"#).await;
    let (heard, back) = tokio::join!(fetch(east, &ways[..1]), fetch(&west, &ways[1..]));
    assert!(heard[0].starts_with("failed") && back[0].starts_with("failed"), "cut: {heard:?}, {back:?}");
    // Not so long that it would be late for the client, nor so short that it could come by chance.
    set_faults(east, r#"[{"cluster": "west", "delayMs": 700, "jitterMs": 100}]"#).await;
    let begun = std::time::Instant::now();
    assert_eq!(fetch(east, &ways[..1]).await, ["west sees 100.127.0.1"], "late");
    assert!(begun.elapsed() >= Duration::from_millis(1200), "there and back: {:?}", begun.elapsed());
    set_faults(east, "[]").await;
    let (heard, back) = tokio::join!(fetch(east, &ways[..1]), fetch(&west, &ways[1..]));
    assert_eq!((heard[0].as_str(), back[0].as_str()), ("west sees 100.127.0.1", "east sees 100.127.1.0"));
    west.stop().await;
}
