//! The soak: two sidecars under mixed load for a long time, with what the control plane says changing all the while. No
//! request may fail, and neither memory nor open files may grow.

mod changes;
mod load;
mod verdict;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Args;
use tempfile::TempDir;

use crate::{
    case::Protocol,
    echo::Echo,
    isthmus, layout, measure, namespace,
    process::{self, Process},
    run::raise_open_files,
};
use verdict::Sample;

/// How often memory and files are looked at.
const SAMPLE: Duration = Duration::from_secs(3);
/// How often the state is printed.
const PRINT: Duration = Duration::from_mins(1);
/// How long the sidecars' certificates live: they are renewed many times.
const LIFETIME: Duration = Duration::from_mins(3);
const PROTOCOLS: [Protocol; 3] = [Protocol::Http1, Protocol::Http2, Protocol::Tcp];

#[derive(Debug, Args)]
pub(crate) struct SoakArgs {
    /// The release build of the sidecar
    #[arg(long)]
    isthmus: PathBuf,
    /// How long
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=1440))]
    minutes: u64,
}

pub(crate) fn run(args: &SoakArgs) -> anyhow::Result<()> {
    namespace::become_root()?;
    raise_open_files()?;
    let program = args.isthmus.canonicalize().with_context(|| format!("no sidecar at {}", args.isthmus.display()))?;
    let dir = TempDir::with_prefix("isthmus-soak-")?;
    let (caller, callee) = namespace::pair()?;
    let _echo = Echo::start(&callee)?;
    for namespace in [&caller, &callee] {
        layout::redirect(&program, namespace, dir.path())?;
    }
    let control = isthmus::control(&caller, &PROTOCOLS, true, LIFETIME)?;
    let mut sidecars = isthmus::sidecars(&program, true, (&caller, &callee), &control, dir.path(), &isthmus::quiet())?;
    let pids: Vec<u32> = sidecars.iter().map(Process::pid).collect();
    let time = Duration::from_mins(args.minutes);
    let soak = caller.spawn("load", move || async move {
        for admin in layout::admins(true) {
            measure::ready(admin).await?;
        }
        load::first_answers().await?;
        let until = Instant::now() + time;
        let (counts, samples, ()) =
            tokio::try_join!(load::run(until), watch(&pids, until), changes::run(&control, until))?;
        anyhow::Ok((counts, samples))
    })?;
    let (counts, samples) = soak.join().with_context(|| said(&sidecars))?;
    sidecars.iter_mut().try_for_each(Process::check)?;
    println!("\n{} minutes, every answer right:", args.minutes);
    for (what, count) in counts {
        println!("  {count:>9} {what}");
    }
    verdict::judge(&["caller", "callee"], &samples)
}

fn said(sidecars: &[Process]) -> String {
    sidecars.iter().map(Process::said).collect::<Vec<_>>().join("\n")
}

/// Looks at every sidecar again and again: samples, by sidecar.
async fn watch(pids: &[u32], until: Instant) -> anyhow::Result<Vec<Vec<Sample>>> {
    let mut samples = vec![Vec::new(); pids.len()];
    let mut printed = Instant::now();
    while Instant::now() < until {
        tokio::time::sleep(SAMPLE).await;
        for (pid, samples) in pids.iter().zip(&mut samples) {
            let rss_mib = process::usage(*pid)?.rss_mib;
            samples.push(Sample { rss_mib, files: process::open_files(*pid)? });
        }
        if printed.elapsed() >= PRINT {
            printed = Instant::now();
            let now: Vec<String> = samples.iter().filter_map(|s| s.last()).map(ToString::to_string).collect();
            println!("{:>3} minutes left: {}", until.saturating_duration_since(printed).as_secs() / 60, now.join("; "));
        }
    }
    Ok(samples)
}
