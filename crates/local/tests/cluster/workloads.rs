//! What users do with a cluster.

use std::process::Stdio;

use isthmus_local::Cluster;
use libtest_mimic::Failed;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::kubectl::{apply, command, output, run};
use crate::{LIMIT, Outcome, config, same, until, with_cluster};

pub(crate) const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: test/echo-server
        args: ['8080']
        ports: [{ name: web, containerPort: 8080 }]
        readinessProbe: { tcpSocket: { port: web }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  selector: { app: web }
  ports: [{ port: 80, targetPort: web }]
---
apiVersion: v1
kind: Service
metadata: { name: web-headless }
spec:
  clusterIP: None
  selector: { app: web }
  ports: [{ port: 8080 }]
";

pub(crate) async fn rolled_out(cluster: &Cluster) -> Outcome {
    run(cluster, &["rollout", "status", "deployment/web", "--timeout=60s"]).await.map(drop)
}

async fn pods(cluster: &Cluster) -> Result<Vec<String>, Failed> {
    let names = run(cluster, &["get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.name}"]).await?;
    Ok(names.split_whitespace().map(str::to_owned).collect())
}

pub(crate) async fn deployment() -> Outcome {
    with_cluster("deployment", 1, |cluster| async move {
        apply(&cluster, WEB).await?;
        rolled_out(&cluster).await?;
        let first = pods(&cluster).await?;
        same("pods", &first.len().to_string(), "2")?;
        run(&cluster, &["wait", "--for=condition=Available", "deployment/web", "--timeout=30s"]).await?;

        run(&cluster, &["scale", "deployment/web", "--replicas=3"]).await?;
        rolled_out(&cluster).await?;
        until("three pods", || async { Ok(pods(&cluster).await?.len() == 3) }).await?;

        run(&cluster, &["rollout", "restart", "deployment/web"]).await?;
        rolled_out(&cluster).await?;
        until("other pods", || async {
            let now = pods(&cluster).await?;
            Ok(now.len() == 3 && !now.iter().any(|pod| first.contains(pod)))
        })
        .await?;
        let revision = "jsonpath={.metadata.annotations.deployment\\.kubernetes\\.io/revision}";
        same("revision", &run(&cluster, &["get", "deployment", "web", "-o", revision]).await?, "2")?;

        run(&cluster, &["rollout", "undo", "deployment/web"]).await?;
        rolled_out(&cluster).await?;
        same("revision", &run(&cluster, &["get", "deployment", "web", "-o", revision]).await?, "3")?;

        run(&cluster, &["delete", "deployment", "web", "--wait"]).await?;
        until("no pods", || async { Ok(pods(&cluster).await?.is_empty()) }).await?;
        same("replica sets", &run(&cluster, &["get", "replicasets", "-o", "name"]).await?, "")
    })
    .await
}

pub(crate) async fn streams() -> Outcome {
    with_cluster("streams", 2, |cluster| async move {
        apply(&cluster, WEB).await?;
        rolled_out(&cluster).await?;
        exec(&cluster).await?;
        port_forward(&cluster).await?;
        logs(&cluster).await
    })
    .await
}

async fn exec(cluster: &Cluster) -> Outcome {
    let shell = ["exec", "-i", "deploy/web", "--", "sh", "-c", "cat; echo seen >&2; exit 7"];
    let done = output(cluster, &shell, "hello\n").await?;
    same("stdout", &String::from_utf8_lossy(&done.stdout), "hello\n")?;
    let errors = String::from_utf8_lossy(&done.stderr).into_owned();
    if !errors.contains("seen") {
        return Err(format!("stderr: {errors:?}").into());
    }
    same("exit code", &format!("{:?}", done.status.code()), "Some(7)")?;
    let big = "0123456789abcdef".repeat(64 * 1024);
    let done = output(cluster, &["exec", "-i", "deploy/web", "--", "cat"], &big).await?;
    same("a mebibyte there and back", &(done.stdout == big.as_bytes()).to_string(), "true")
}

async fn port_forward(cluster: &Cluster) -> Outcome {
    let mut forward = command(&cluster.kubeconfig_path(), &["port-forward", "deploy/web", ":8080"]).spawn()?;
    let mut lines = BufReader::new(forward.stdout.take().ok_or("no stdout")?).lines();
    let line = tokio::time::timeout(LIMIT, lines.next_line()).await??.unwrap_or_default();
    // Forwarding from 127.0.0.1:40123 -> 8080
    let address = line.split_whitespace().nth(2).ok_or_else(|| format!("port-forward: {line:?}"))?.to_owned();
    for text in ["one", "two"] {
        let mut stream = TcpStream::connect(&address).await?;
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await?;
        let mut answer = String::new();
        tokio::time::timeout(LIMIT, stream.read_to_string(&mut answer)).await??;
        if !answer.ends_with(&format!(":{text}")) {
            return Err(format!("port-forward: {answer:?}").into());
        }
    }
    forward.kill().await?;
    Ok(())
}

async fn logs(cluster: &Cluster) -> Outcome {
    let said = run(cluster, &["logs", "-l", "app=web", "--tail=1", "--prefix"]).await?;
    if said.lines().count() != 2 {
        return Err(format!("logs: {said:?}").into());
    }
    let args = ["logs", "-f", "deploy/web", "--tail=0"];
    let mut follow = command(&cluster.kubeconfig_path(), &args).stderr(Stdio::inherit()).spawn()?;
    let mut lines = BufReader::new(follow.stdout.take().ok_or("no stdout")?).lines();
    let followed = async {
        loop {
            run(cluster, &["exec", "deploy/web", "--", "sh", "-c", "echo followed > /proc/1/fd/1"]).await?;
            // The readiness probe makes lines too.
            let wait = std::time::Duration::from_millis(500);
            while let Ok(line) = tokio::time::timeout(wait, lines.next_line()).await {
                if line?.ok_or("logs -f has ended")? == "followed" {
                    return Ok::<_, Failed>(());
                }
            }
        }
    };
    tokio::time::timeout(LIMIT, followed).await??;
    follow.kill().await?;
    Ok(())
}

pub(crate) async fn services() -> Outcome {
    with_cluster("services", 3, |cluster| async move {
        apply(&cluster, WEB).await?;
        rolled_out(&cluster).await?;
        let address = run(&cluster, &["get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"]).await?;
        let hosts = [
            ("ip", address.as_str(), "80"),
            ("short", "web", "80"),
            ("namespaced", "web.default", "80"),
            ("full", "web.default.svc.cluster.local.", "80"),
            ("headless", "web-headless", "8080"),
            ("api", "kubernetes.default.svc", "443"),
        ];
        for (name, host, port) in hosts {
            let pod = format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{ name: {name} }}\nspec:\n  restartPolicy: Never\n  \
                 containers: [{{ name: c, image: test/fetch, args: [{host}, '{port}', {name}] }}]\n"
            );
            apply(&cluster, &pod).await?;
        }
        for (name, _, _) in hosts {
            let pod = format!("pod/{name}");
            let done = "--for=jsonpath={.status.phase}=Succeeded";
            run(&cluster, &["wait", done, &pod, "--timeout=40s"]).await?;
            let said = run(&cluster, &["logs", &pod]).await?;
            if name != "api" && !said.trim_end().ends_with(&format!(":{name}")) {
                return Err(format!("{name}: {said:?}").into());
            }
        }
        Ok(())
    })
    .await
}

fn owned(kind_of_deletion: &str) -> String {
    WEB.replace("name: web }", &format!("name: web, labels: {{ deletion: {kind_of_deletion} }} }}"))
}

pub(crate) async fn ownership() -> Outcome {
    with_cluster("ownership", 4, |cluster| async move {
        for cascade in ["foreground", "orphan"] {
            apply(&cluster, &owned(cascade)).await?;
            rolled_out(&cluster).await?;
            let cascade_flag = format!("--cascade={cascade}");
            run(&cluster, &["delete", "deployment", "web", &cascade_flag, "--timeout=60s"]).await?;
            let sets = run(&cluster, &["get", "replicasets", "-o", "name"]).await?;
            if cascade == "foreground" {
                same("replica sets", &sets, "")?;
                same("pods", &pods(&cluster).await?.len().to_string(), "0")?;
            } else {
                same("orphans", &sets.lines().count().to_string(), "1")?;
                let owners = "jsonpath={.items[*].metadata.ownerReferences}";
                same("owners", &run(&cluster, &["get", "replicasets", "-o", owners]).await?, "")?;
                same("pods", &pods(&cluster).await?.len().to_string(), "2")?;
            }
        }
        Ok(())
    })
    .await
}

pub(crate) async fn namespace() -> Outcome {
    with_cluster("namespace", 5, |cluster| async move {
        run(&cluster, &["create", "namespace", "shop"]).await?;
        until("furniture", || async {
            let found =
                run(&cluster, &["get", "-n", "shop", "sa/default", "cm/kube-root-ca.crt", "-o", "name"]).await?;
            Ok(found.lines().count() == 2)
        })
        .await?;
        let args = ["apply", "-n", "shop", "-f", "-"];
        crate::kubectl::checked(&args, &output(&cluster, &args, WEB).await?)?;
        run(&cluster, &["rollout", "status", "-n", "shop", "deployment/web", "--timeout=60s"]).await?;
        run(&cluster, &["delete", "namespace", "shop", "--timeout=60s"]).await?;
        let left = run(&cluster, &["get", "pods,services,configmaps", "-n", "shop", "-o", "name"]).await?;
        same("what is left", &left, "")
    })
    .await
}

pub(crate) async fn side_by_side() -> Outcome {
    let state = tempfile::tempdir()?;
    let [one, two] = [("one", 6), ("two", 7)].map(|(name, index)| Cluster::start(config(name, index, state.path())));
    let (one, two) = tokio::try_join!(one, two)?;
    let again = Cluster::start(config("one", 8, state.path())).await.err().map(|error| error.to_string());
    if !again.as_ref().is_some_and(|error| error.contains("runs already")) {
        return Err(format!("a second cluster of the same name: {again:?}").into());
    }
    let deploy = async |cluster: &Cluster| {
        apply(cluster, WEB).await?;
        rolled_out(cluster).await?;
        run(cluster, &["get", "pods", "-o", "jsonpath={.items[*].status.podIP}"]).await
    };
    let (first, second) = tokio::try_join!(deploy(&one), deploy(&two))?;
    let within = |ips: &str, network: &str| !ips.is_empty() && ips.split(' ').all(|ip| ip.starts_with(network));
    if !within(&first, "10.54.") || !within(&second, "10.56.") {
        return Err(format!("addresses: {first:?} and {second:?}").into());
    }
    for cluster in [one, two] {
        let state = cluster.state_dir().to_owned();
        cluster.shutdown(std::time::Duration::from_secs(5)).await;
        same("kubeconfig is left", &state.join("kubeconfig").exists().to_string(), "false")?;
    }
    Ok(())
}
