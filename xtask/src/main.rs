//! Developer commands: `cargo xtask <command>`.

use clap::{Parser, Subcommand};

mod bench;
mod crds;
mod mutants;
mod proto;
mod simulate;
mod soak;
mod test;

/// Developer commands of the Isthmus repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write the CustomResourceDefinitions again from the types (charts/isthmus-crds).
    Crds,
    /// Write the Rust code of the protobuf contracts again (crates/api/src/generated).
    Proto,
    /// Measure the data plane against other proxies, and the control plane.
    Bench(bench::BenchArgs),
    /// Hold the conformance suite against meshes that are broken on purpose: each must be noticed.
    Mutants(mutants::MutantsArgs),
    /// Join many meshes on simulated links and time: convergence, bytes, memory, and how they grow.
    Simulate(simulate::SimulateArgs),
    /// Run two sidecars under mixed load for a long time: no failure, memory and files flat.
    Soak(soak::SoakArgs),
    /// Run every test, and say at the end which were left out here, and why.
    Test,
}

fn main() -> anyhow::Result<()> {
    match Args::parse().command {
        Command::Crds => crds::generate(),
        Command::Proto => proto::generate(),
        Command::Bench(args) => bench::run(&args),
        Command::Mutants(args) => mutants::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Soak(args) => soak::run(&args),
        Command::Test => test::run(),
    }
}
