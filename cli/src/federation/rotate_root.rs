//! `isthmus federation rotate-root`: has a new root made, and follows it until it is the only one.

mod follow;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::Args;
use isthmus_k8s::federation::Mesh;
use isthmus_smi_controller::annotations::ROTATE_ROOT;
use k8s_openapi::api::core::v1::{Event, Secret};
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde::Serialize;
use serde_json::json;

use super::{
    status,
    target::{Side, Target},
};
use crate::{args::Output, output, progress::Progress};
use follow::{Follow, Seen};

/// The Secret with the root that the mesh is to have.
const WANTED: &str = "isthmus-ca";
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A controller that leads looks every second.
const BEGINS_WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(crate) struct RotateRootArgs {
    /// Seconds to follow it; it goes on by itself
    #[arg(long, default_value_t = 3600)]
    timeout: u64,
    #[command(flatten)]
    target: Target,
    /// How to print what came of it
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

/// A rotation, from beginning to end.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rotated {
    mesh: String,
    before: String,
    after: String,
    seconds: f64,
    /// Each thing that the controller said, and when.
    steps: Vec<Seen>,
}

pub(super) async fn run(args: &RotateRootArgs) -> anyhow::Result<ExitCode> {
    let side = args.target.side().await?;
    let progress = super::progress(args.output);
    let rotated = rotate(&side, &progress, Duration::from_secs(args.timeout)).await?;
    output::print_one(args.output, &rotated, |r| {
        format!(
            "{}: root {} is retired, root {} alone is trusted, after {:.1} s\n",
            r.mesh, r.before, r.after, r.seconds
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn rotate(side: &Side, progress: &Progress, within: Duration) -> anyhow::Result<Rotated> {
    let mesh = side.all::<Mesh>().get_opt(side.mesh.as_str()).await?;
    if let Some(first) = mesh.as_ref().and_then(leader) {
        bail!(
            "the clusters of mesh {} follow {first}: it alone rotates their root; name its cluster by --context or --kubeconfig",
            side.mesh
        );
    }
    let line = status::rotation(side).await?;
    let mut follow = Follow::from(line.as_deref())?;
    let secrets: Api<Secret> = Api::namespaced(side.client.clone(), &side.namespace);
    let patch = Patch::Merge(json!({ "metadata": { "annotations": { ROTATE_ROOT: "now" } } }));
    let asked = secrets.patch(WANTED, &PatchParams::default(), &patch).await;
    let asked = asked.with_context(|| format!("annotating Secret {}/{WANTED}", side.namespace))?;
    progress.head(&format!("Rotating the root of {}", side.mesh));
    let begun = Instant::now();
    loop {
        let line = status::rotation(side).await?;
        if let Some(seen) = follow.see(line.as_deref(), begun.elapsed()) {
            progress.say(&format!("  {:>7.1} s  {}", seen.seconds, seen.line));
        }
        if let Some((before, after)) = follow.done() {
            let seconds = begun.elapsed().as_secs_f64();
            return Ok(Rotated { mesh: side.mesh.to_string(), before, after, seconds, steps: follow.steps() });
        }
        if !follow.has_begun() {
            declined(side, &asked).await?;
            if begun.elapsed() > BEGINS_WITHIN {
                bail!(
                    "the rotation hasn't begun after {} s: does a controller run? `kubectl get pods -n {}` tells",
                    BEGINS_WITHIN.as_secs(),
                    side.namespace
                );
            }
        }
        if begun.elapsed() > within {
            bail!(
                "not done after {} s: {}; it goes on by itself, `isthmus federation status` shows how far it is",
                within.as_secs(),
                follow.last()
            );
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The cluster of the mesh that rotates its root, if it is another than this one.
fn leader(mesh: &Mesh) -> Option<&str> {
    let first = mesh.spec.clusters.iter().flatten().next()?;
    let name = mesh.metadata.name.as_ref();
    (mesh.spec.cluster.as_ref().or(name) != Some(first)).then_some(first)
}

/// The controller says by an Event that it won't.
async fn declined(side: &Side, asked: &Secret) -> anyhow::Result<()> {
    let events: Api<Event> = Api::namespaced(side.client.clone(), &side.namespace);
    let of_secret = ListParams::default().fields(&format!("involvedObject.name={WANTED}"));
    let version = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    let since = version(asked.resource_version());
    for event in events.list(&of_secret).await? {
        let refused = matches!(event.reason.as_deref(), Some("RotationDeclined" | "RootRefused"));
        if refused && version(event.resource_version()) > since {
            bail!("the controller declined: {}", event.message.unwrap_or_default());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn of_several_clusters_the_first_is_asked() {
        let leader_of = |spec: serde_json::Value| {
            let mesh = json!({"apiVersion": "federation.isthmus.mesh/v1alpha1", "kind": "Mesh", "metadata": {"name": "west"}, "spec": spec});
            leader(&serde_json::from_value(mesh).unwrap()).map(str::to_owned)
        };
        assert_eq!(leader_of(json!({"trustDomain": "west.local"})), None);
        assert_eq!(leader_of(json!({"trustDomain": "west.local", "cluster": "a", "clusters": ["a", "b"]})), None);
        assert_eq!(leader_of(json!({"trustDomain": "west.local", "clusters": ["west", "b"]})), None);
        let follower = json!({"trustDomain": "west.local", "cluster": "b", "clusters": ["a", "b"]});
        assert_eq!(leader_of(follower).as_deref(), Some("a"));
    }
}
