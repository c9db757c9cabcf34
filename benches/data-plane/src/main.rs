//! The data plane's benchmark and soak. `cargo xtask bench` and `cargo xtask soak` build it and run it.
//!
//! Every run makes two network namespaces joined by a veth pair, a caller's and a callee's pod, with the kernel's real
//! redirect in each, and starts the proxies in them as real processes. Load and echo server are threads of this process.

mod case;
mod control;
mod echo;
mod gateway;
mod isthmus;
mod layout;
mod load;
mod measure;
mod namespace;
mod peer;
mod pki;
mod process;
mod report;
mod run;
mod soak;
mod stats;
mod telemetry;

use clap::{Parser, Subcommand};

/// Benchmark and soak of the data plane.
#[derive(Debug, Parser)]
#[command(name = "isthmus-bench")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures the sidecar and its peers
    Bench(run::BenchArgs),
    /// Measures the gateway and other relays by server name
    Gateway(gateway::GatewayArgs),
    /// Measures what metrics, logs and traces cost
    Telemetry(telemetry::TelemetryArgs),
    /// Mixed load for a long time: memory and files flat, no failure
    Soak(soak::SoakArgs),
    /// Becomes a program that ends when this process does
    #[command(hide = true)]
    Exec(process::ExecArgs),
}

fn main() -> anyhow::Result<()> {
    match Args::parse().command {
        Command::Bench(args) => run::run(&args),
        Command::Gateway(args) => gateway::run(&args),
        Command::Telemetry(args) => telemetry::run(&args),
        Command::Soak(args) => soak::run(&args),
        Command::Exec(args) => process::exec(&args),
    }
}
