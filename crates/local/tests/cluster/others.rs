//! Workloads that aren't Deployments.

use isthmus_local::Cluster;

use crate::kubectl::{apply, output, run};
use crate::{Outcome, same, until, with_cluster};

const POD: &str = "
    metadata: { labels: { app: NAME } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: app
        image: test/echo-server
        args: ['8080']
        readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 }
";

fn workload(head: &str, name: &str, spec: &str) -> String {
    let labels =
        if head.contains("ReplicationController") { "{ app: NAME }" } else { "{ matchLabels: { app: NAME } }" };
    format!("---\n{head}\nmetadata: {{ name: NAME }}\nspec:\n  selector: {labels}\n{spec}  template:{POD}")
        .replace("NAME", name)
}

/// The names of an app's pods, and what else is asked of them.
async fn pods(cluster: &Cluster, app: &str, field: &str) -> Result<Vec<String>, libtest_mimic::Failed> {
    let path = format!("jsonpath={{.items[*].{field}}}");
    let found = run(cluster, &["get", "pods", "-l", &format!("app={app}"), "-o", &path]).await?;
    Ok(found.split_whitespace().map(str::to_owned).collect())
}

pub(crate) async fn stateful_set() -> Outcome {
    with_cluster("stateful-set", 14, |cluster| async move {
        let service = "---\napiVersion: v1\nkind: Service\nmetadata: { name: db }\n\
                       spec: { clusterIP: None, selector: { app: db }, ports: [{ port: 8080 }] }\n";
        let set = workload("apiVersion: apps/v1\nkind: StatefulSet", "db", "  serviceName: db\n  replicas: 2\n");
        apply(&cluster, &format!("{set}{service}")).await?;
        let rolled_out = ["rollout", "status", "statefulset/db", "--timeout=60s"];
        run(&cluster, &rolled_out).await?;
        same("pods", &pods(&cluster, "db", "metadata.name").await?.join(" "), "db-0 db-1")?;
        // Each has a name of its own below the Service's.
        let ask = "apiVersion: v1\nkind: Pod\nmetadata: { name: ask }\nspec:\n  restartPolicy: Never\n  \
                   containers: [{ name: c, image: test/fetch, args: [db-1.db, '8080', hello] }]\n";
        apply(&cluster, ask).await?;
        run(&cluster, &["wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/ask", "--timeout=40s"]).await?;
        same("db-1.db", run(&cluster, &["logs", "ask"]).await?.trim_end(), "db-1:hello")?;

        let before = pods(&cluster, "db", "metadata.uid").await?;
        run(&cluster, &["rollout", "restart", "statefulset/db"]).await?;
        run(&cluster, &rolled_out).await?;
        let after = pods(&cluster, "db", "metadata.uid").await?;
        same("pods that have stayed", &after.iter().filter(|uid| before.contains(uid)).count().to_string(), "0")?;
        run(&cluster, &["scale", "statefulset/db", "--replicas=1"]).await?;
        until("only the first", || async { Ok(pods(&cluster, "db", "metadata.name").await? == ["db-0"]) }).await?;
        run(&cluster, &["delete", "statefulset", "db"]).await?;
        until("no pods", || async { Ok(pods(&cluster, "db", "metadata.name").await?.is_empty()) }).await?;

        let disks = set.replace("  replicas: 2\n", "  volumeClaimTemplates: [{ metadata: { name: data } }]\n");
        let refused = output(&cluster, &["apply", "-f", "-"], &disks).await?;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        same(
            &said,
            &said.contains("spec.volumeClaimTemplates: Forbidden: the embedded cluster has no").to_string(),
            "true",
        )
    })
    .await
}

pub(crate) async fn daemon_set_and_replication_controller() -> Outcome {
    with_cluster("daemon-set", 15, |cluster| async move {
        let agent = workload("apiVersion: apps/v1\nkind: DaemonSet", "agent", "");
        let old = workload("apiVersion: v1\nkind: ReplicationController", "old", "  replicas: 2\n");
        apply(&cluster, &format!("{agent}{old}")).await?;
        let rolled_out = ["rollout", "status", "daemonset/agent", "--timeout=60s"];
        run(&cluster, &rolled_out).await?;
        let before = pods(&cluster, "agent", "metadata.name").await?;
        same("pods of one node", &before.len().to_string(), "1")?;
        run(&cluster, &["rollout", "restart", "daemonset/agent"]).await?;
        run(&cluster, &rolled_out).await?;
        let after = pods(&cluster, "agent", "metadata.name").await?;
        same("another", &(after.len() == 1 && after != before).to_string(), "true")?;

        run(&cluster, &["wait", "--for=jsonpath={.status.readyReplicas}=2", "rc/old", "--timeout=60s"]).await?;
        run(&cluster, &["scale", "rc/old", "--replicas=1"]).await?;
        until("one pod", || async { Ok(pods(&cluster, "old", "metadata.name").await?.len() == 1) }).await?;
        let shown = run(&cluster, &["get", "all"]).await?;
        for line in ["daemonset.apps/agent   1         1         1", "replicationcontroller/old   1"] {
            same(&format!("{line} in\n{shown}"), &shown.contains(line).to_string(), "true")?;
        }
        Ok(())
    })
    .await
}

pub(crate) async fn jobs() -> Outcome {
    with_cluster("jobs", 16, |cluster| async move {
        let job = |name: &str, spec: &str, args: &str| {
            format!(
                "---\napiVersion: batch/v1\nkind: Job\nmetadata: {{ name: {name} }}\nspec:\n{spec}  template:\n    spec:\n      \
                 restartPolicy: Never\n      containers: [{{ name: c, image: test/fetch, args: [{args}] }}]\n"
            )
        };
        let good = "kubernetes.default, '443', x";
        let three = job("three", "  completions: 3\n  parallelism: 2\n", good);
        let bad = job("bad", "  backoffLimit: 0\n", "too, few");
        let gone = job("gone", "  ttlSecondsAfterFinished: 0\n", good);
        apply(&cluster, &format!("{three}{bad}{gone}")).await?;
        run(&cluster, &["wait", "--for=condition=Complete", "job/three", "--timeout=60s"]).await?;
        run(&cluster, &["wait", "--for=condition=Failed", "job/bad", "--timeout=60s"]).await?;
        run(&cluster, &["wait", "--for=delete", "job/gone", "--timeout=60s"]).await?;
        let of_three = ["get", "pods", "-l", "job-name=three", "-o", "jsonpath={.items[*].status.phase}"];
        same("its pods", &run(&cluster, &of_three).await?, "Succeeded Succeeded Succeeded")?;
        let table = run(&cluster, &["get", "jobs", "--no-headers"]).await?;
        let rows: Vec<String> = table.lines().map(|row| row.split_whitespace().take(3).collect::<Vec<_>>().join(" ")).collect();
        same("kubectl get jobs", &rows.join(", "), "bad Failed 0/1, three Complete 3/3")?;

        run(&cluster, &["create", "job", "made", "--image=test/fetch", "--", "x"]).await?;
        let patch = r#"{"spec":{"suspend":true}}"#;
        run(&cluster, &["patch", "job", "made", "--type=merge", "-p", patch]).await?;
        run(&cluster, &["delete", "job", "made", "three"]).await?;
        until("no pods of them", || async {
            let of = ["get", "pods", "-l", "job-name in (made,three)", "-o", "name"];
            Ok(run(&cluster, &of).await?.is_empty())
        })
        .await
    })
    .await
}
