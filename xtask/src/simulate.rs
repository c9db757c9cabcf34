//! `cargo xtask simulate`: many meshes round one hub, on simulated links and time (`federation/src/simulation.rs`), in release.

use std::{path::Path, process::Command};

use anyhow::{Context, bail};
use clap::Args;

/// Meshes of the sizes that are run when none is named: how figures grow is as good to know as the last one.
const SIZES: [u32; 4] = [10, 25, 50, 100];
const TEST: &str = "simulation::tests::at_full_size";
const HEADER: &str = "\
| meshes × clusters × services of each | all from nothing: time | bytes | messages | one change: time | bytes | messages \
| a tenth cut for a minute, and changed: time | bytes | messages | at rest | catalogs in the hub | their bytes |
|---|---|---|---|---|---|---|---|---|---|---|---|---|";

#[derive(Args)]
pub(crate) struct SimulateArgs {
    /// Meshes [default: 10, 25, 50 and 100]
    #[arg(long)]
    meshes: Option<u32>,
    /// Clusters of each
    #[arg(long, default_value_t = 10)]
    clusters: u32,
    /// Services that each cluster exports to each of its mesh's four neighbours
    #[arg(long, default_value_t = 100)]
    services: u32,
}

pub(crate) fn run(args: &SimulateArgs) -> anyhow::Result<()> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let sizes = args.meshes.map_or(SIZES.to_vec(), |meshes| vec![meshes]);
    println!("{HEADER}");
    for meshes in sizes {
        let mut test = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        test.args(["test", "--quiet", "--locked", "--release", "--package", "isthmus-federation", "--lib", TEST])
            .arg("--manifest-path")
            .arg(&manifest)
            .args(["--", "--ignored", "--nocapture"]);
        let number = |name: &str| format!("ISTHMUS_SIMULATED_{name}");
        test.env(number("MESHES"), meshes.to_string());
        test.env(number("CLUSTERS"), args.clusters.to_string());
        test.env(number("SERVICES"), args.services.to_string());
        let output = test.output().context("can't start cargo")?;
        let said = String::from_utf8_lossy(&output.stdout);
        let row = said.lines().find(|line| line.starts_with("| "));
        match row.filter(|_| output.status.success()) {
            Some(row) => println!("{row}"),
            None => bail!("the simulation failed\n{said}\n{}", String::from_utf8_lossy(&output.stderr)),
        }
    }
    Ok(())
}
