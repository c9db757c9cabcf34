//! Services of type LoadBalancer.

use isthmus_local::Cluster;
use libtest_mimic::Failed;

use crate::kubectl::{apply, run};
use crate::workloads::{WEB, rolled_out};
use crate::{Outcome, config, same, until, with_cluster};

fn balancer(name: &str, extra: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{ name: {name} }}\nspec:\n  type: LoadBalancer\n{extra}  \
         selector: {{ app: web }}\n  ports: [{{ port: 8000, targetPort: web }}]\n"
    )
}

/// Waits for the Service to have this address, or none.
async fn has(cluster: &Cluster, name: &str, address: &str) -> Outcome {
    until(&format!("{name} at {address:?}"), || async {
        let path = "jsonpath={.status.loadBalancer.ingress[*].ip}";
        Ok(run(cluster, &["get", "service", name, "-o", path]).await? == address)
    })
    .await
}

/// What a pod that ends hears from an address.
async fn fetch(cluster: &Cluster, name: &str, host: &str) -> Result<String, Failed> {
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: {name} }}\nspec:\n  restartPolicy: Never\n  \
         containers: [{{ name: c, image: test/fetch, args: ['{host}', '8000', hello] }}]\n"
    );
    apply(cluster, &pod).await?;
    let pod = format!("pod/{name}");
    run(cluster, &["wait", "--for=jsonpath={.status.phase}=Succeeded", &pod, "--timeout=40s"]).await?;
    run(cluster, &["logs", &pod]).await
}

fn answered(said: &str) -> Outcome {
    if said.trim_end().ends_with(":hello") { Ok(()) } else { Err(format!("heard {said:?}").into()) }
}

pub(crate) async fn lifetime() -> Outcome {
    with_cluster("balancers", 10, |cluster| async move {
        apply(&cluster, WEB).await?;
        rolled_out(&cluster).await?;
        let all = [balancer("one", ""), balancer("two", ""), balancer("other", "  loadBalancerClass: a.test/b\n")];
        apply(&cluster, &all.join("---\n")).await?;
        let given = async |name: &str| {
            run(&cluster, &["get", "service", name, "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}"]).await
        };
        until("two addresses", || async { Ok(!given("one").await?.is_empty() && !given("two").await?.is_empty()) })
            .await?;
        let mut both = [given("one").await?, given("two").await?];
        let [one, two] = both.clone();
        both.sort_unstable();
        same("addresses", &both.join(" "), "100.64.10.10 100.64.10.11")?;
        answered(&fetch(&cluster, "in-the-cluster", &one).await?)?;

        // What becomes another type gives its address back, and the next one gets it.
        run(&cluster, &["patch", "service", "one", "-p", r#"{"spec": {"type": "ClusterIP"}}"#]).await?;
        has(&cluster, "one", "").await?;
        apply(&cluster, &balancer("three", "")).await?;
        has(&cluster, "three", &one).await?;
        run(&cluster, &["delete", "service", "three"]).await?;
        apply(&cluster, &balancer("four", "")).await?;
        has(&cluster, "four", &one).await?;
        run(&cluster, &["patch", "service", "four", "-p", r#"{"spec": {"loadBalancerIP": "100.64.10.77"}}"#]).await?;
        has(&cluster, "four", "100.64.10.77").await?;
        answered(&fetch(&cluster, "at-another-address", "100.64.10.77").await?)?;
        // Of another cluster's range: it stays where it is, and says why.
        run(&cluster, &["patch", "service", "four", "-p", r#"{"spec": {"loadBalancerIP": "100.64.9.77"}}"#]).await?;
        until("an Event that says why", || async {
            let events =
                ["get", "events", "--field-selector=reason=AddressNotGiven", "-o", "jsonpath={.items[*].message}"];
            Ok(run(&cluster, &events).await?.contains("100.64.10.0/24"))
        })
        .await?;
        has(&cluster, "four", "100.64.10.77").await?;
        has(&cluster, "two", &two).await?;
        has(&cluster, "other", "").await
    })
    .await
}

pub(crate) async fn joined() -> Outcome {
    with_cluster("east", 11, |east| async move {
        with_cluster("west", 12, |west| async move {
            east.join(&west).await?;
            for cluster in [&east, &west] {
                apply(cluster, &format!("{WEB}---\n{}", balancer("balancer", ""))).await?;
                rolled_out(cluster).await?;
            }
            has(&east, "balancer", "100.64.11.10").await?;
            has(&west, "balancer", "100.64.12.10").await?;
            answered(&fetch(&east, "to-west", "100.64.12.10").await?)?;
            answered(&fetch(&west, "to-east", "100.64.11.10").await?)?;
            let again = Cluster::start(config("north", 12, &east.state_dir().join("..")));
            let north = again.await?;
            let refused = west.join(&north).await.err().map(|error| error.to_string()).unwrap_or_default();
            north.shutdown(std::time::Duration::from_secs(5)).await;
            if refused.contains("told apart") { Ok(()) } else { Err(format!("equal numbers: {refused:?}").into()) }
        })
        .await
    })
    .await
}
