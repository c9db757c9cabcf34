//! `isthmus demo`: clusters of its own, a sample shop, real requests, and a verdict for each promise.

#[macro_use]
mod shop;
mod conforming;
mod forgery;
mod meshes;
mod metrics;
mod pair;
mod steps;

use std::{
    fs,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::Args;
use futures::future::join_all;
use isthmus_local::Cluster;
use isthmus_runtime::signals;
use tokio_util::sync::CancellationToken;

use super::up;
use crate::{
    args::{LogArgs, Output},
    output,
    progress::Progress,
};
use pair::Pair;
use shop::{NAMESPACE_YAML, SHOP, Shop};
use steps::{Row, STEPS};

/// The clusters of the demo, each in a folder of its name.
const ONE: &str = "demo";
const TWO: [&str; 2] = ["east", "west"];
/// What the folders of demos are called.
const PREFIX: &str = "isthmus-demo-";
/// A demo's folder has its cluster's name in it by then.
const SETTLED_AFTER: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// How to print the table at the end
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

/// Runs the demo; the exit code says whether every row is as asked.
pub(crate) fn run(log: &LogArgs, args: DemoArgs) -> anyhow::Result<ExitCode> {
    log.for_command("error")?;
    up::on_own_namespaces(async move {
        let shutdown = signals::shutdown_token()?;
        let begun = Instant::now();
        let progress = if args.output == Output::Table { Progress::new("") } else { Progress::to_stderr() };
        remove_killed(&std::env::temp_dir());
        let state = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
        let shown = shutdown.run_until_cancelled(all(&progress, state.path(), &shutdown)).await;
        let Some(rows) = shown.transpose()?.flatten() else { return Ok(interrupted(&progress)) };
        report(&progress, args.output, &rows, begun)
    })
}

/// One mesh, and then two that are joined. `None`: interrupted.
async fn all(progress: &Progress, state: &Path, shutdown: &CancellationToken) -> anyhow::Result<Option<Vec<Row>>> {
    progress.head("A cluster on this machine, with the mesh in it");
    let Some(started) = shutdown.run_until_cancelled(up::start_with_mesh(progress, &state.join(ONE))).await else {
        return Ok(None);
    };
    let one = vec![started?];
    let shown = shutdown.run_until_cancelled(show(progress, &one)).await;
    take_down(progress, one).await?;
    let Some(mut rows) = shown.transpose()? else { return Ok(None) };

    progress.head("Two clusters, with a mesh of its own in each");
    let Some(started) = shutdown.run_until_cancelled(up::start_meshes(progress, state, &TWO)).await else {
        return Ok(None);
    };
    let two = started?;
    let shown = shutdown.run_until_cancelled(show_two(progress, &two)).await;
    take_down(progress, two).await?;
    let Some(more) = shown.transpose()? else { return Ok(None) };
    rows.extend(more);
    Ok(Some(rows))
}

async fn take_down(progress: &Progress, clusters: Vec<Cluster>) -> anyhow::Result<()> {
    progress.head("Taking it all down");
    let down = async {
        join_all(clusters.into_iter().map(|cluster| cluster.shutdown(up::END_WITHIN))).await;
        Ok(())
    };
    progress.step("every pod ended, nothing left", down).await
}

/// A demo that was killed outright leaves its folder (and nothing else): this removes such ones.
fn remove_killed(temporary: &Path) {
    let entries = fs::read_dir(temporary).into_iter().flatten().flatten();
    for entry in entries.filter(|e| e.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())) {
        let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
        // One that is only just starting hasn't put its name there yet.
        let old = age.is_some_and(|age| age > SETTLED_AFTER);
        let ended = |name: &&str| {
            let node = entry.path().join(name).join("node");
            !node.exists() || isthmus_local_node::remove_leftovers(&node).is_ok_and(|ended| ended)
        };
        if old && [ONE].iter().chain(&TWO).all(ended) {
            // Another user's stays.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn interrupted(progress: &Progress) -> ExitCode {
    progress.say("\nInterrupted.");
    ExitCode::FAILURE
}

/// Deploys the shop and goes through the steps.
async fn show(progress: &Progress, clusters: &[Cluster]) -> anyhow::Result<Vec<Row>> {
    let cluster = clusters.first().context("no cluster")?;
    let mut shop = Shop::new(cluster.client());
    progress.head("A shop in the mesh: web, catalog in two versions, orders, store");
    progress.step(NAMESPACE_YAML.file, async { shop.apply(&NAMESPACE_YAML).await.map(drop) }).await?;
    progress.step(SHOP.file, async { shop.apply(&SHOP).await.map(drop) }).await?;
    progress.step("every pod ready, each with its sidecar", shop.wait_ready()).await?;
    for app in ["web", "batch", "orders"] {
        shop.open_door(app).await?;
    }
    progress.head("What the mesh makes of it");
    let mut rows = Vec::new();
    for step in &STEPS {
        for example in step.applies {
            progress.say(&format!("    kubectl apply -f {}", example.file));
        }
        let row = step.run(&mut shop).await;
        say(progress, &row);
        rows.push(row);
    }
    progress.say("    isthmus conformance run, in part");
    let row = conforming::row(&shop.client).await;
    say(progress, &row);
    rows.push(row);
    Ok(rows)
}

/// Deploys a shop in each of two meshes, and goes through the steps with both.
async fn show_two(progress: &Progress, clusters: &[Cluster]) -> anyhow::Result<Vec<Row>> {
    let [east, west] = clusters else { bail!("{} clusters in place of two", clusters.len()) };
    progress.head("A shop in each: a catalog, and who calls it");
    let mut pair = Pair::of(progress, east.client(), west.client()).await?;
    progress.head("What they make of each other");
    let mut rows = Vec::new();
    for step in &meshes::STEPS {
        for (which, example) in step.applies {
            progress.say(&format!("    {}: kubectl apply -f {}", which.name(), example.file));
        }
        let row = step.run(&mut pair).await;
        say(progress, &row);
        rows.push(row);
    }
    Ok(rows)
}

fn say(progress: &Progress, row: &Row) {
    let mark = if row.as_asked { progress.paint("32", "✓") } else { progress.paint("31", "✗") };
    progress.say(&format!("  {mark} {:<40} {}", row.promise, row.seen));
}

fn report(progress: &Progress, form: Output, rows: &[Row], begun: Instant) -> anyhow::Result<ExitCode> {
    progress.say("");
    output::print(
        form,
        rows,
        &[
            ("PROMISE", |r: &Row| r.promise.to_owned()),
            ("ASKED FOR", |r| r.asked.clone()),
            ("SEEN", |r| r.seen.clone()),
            ("VERDICT", |r| if r.as_asked { "as asked".to_owned() } else { "NOT AS ASKED".to_owned() }),
        ],
    )?;
    let bad = rows.iter().filter(|r| !r.as_asked).count();
    let seconds = begun.elapsed().as_secs_f64();
    if bad == 0 && !rows.is_empty() {
        progress.say(&format!(
            "\nAll {} as asked, in {seconds:.1} s. Next: `isthmus up`, then examples/ with kubectl.",
            rows.len()
        ));
        Ok(ExitCode::SUCCESS)
    } else {
        progress.say(&format!("\n{bad} of {} not as asked, after {seconds:.1} s.", rows.len()));
        Ok(ExitCode::FAILURE)
    }
}
