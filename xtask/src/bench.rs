//! `cargo xtask bench`: builds the sidecar as it is shipped (profile `dist`) and the benchmarks in release, and runs them.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use clap::Args;

/// The gateway's case: a relay by server name against others.
const GATEWAY: &str = "gateway";
/// The case of the same proxies with more and more telemetry.
const TELEMETRY: &str = "telemetry";
/// The case that is another program's: what a change costs the control plane.
const CONTROL_PLANE: &str = "control-plane";

#[derive(Args)]
pub(crate) struct BenchArgs {
    /// What to measure, as with --case
    #[arg(value_name = "CASE", conflicts_with = "case")]
    named: Option<String>,
    /// one-hop-h1, two-hop-mtls-h1, two-hop-mtls-h2, two-hop-mtls-grpc, two-hop-mtls-tcp, gateway, telemetry or
    /// control-plane [default: all but the gateway and telemetry]
    #[arg(long)]
    case: Option<String>,
    /// Write the results as a list of objects; those of the control plane, unless they are the only ones, into
    /// <FILE without extension>-control-plane.json beside it
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Peers, by commas [default: none, isthmus, and those found of haproxy, nginx and envoy]
    #[arg(long)]
    peers: Option<String>,
    /// Runs of each case and peer; medians are reported
    #[arg(long)]
    rounds: Option<u32>,
    /// Seconds of saturation and of open loop in each run
    #[arg(long)]
    seconds: Option<u64>,
    /// One round of one second each
    #[arg(long)]
    quick: bool,
    /// Write charts into this directory
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// Write the tables of docs/benchmarks.md and docs/control-plane.md, and the charts of docs/images
    #[arg(long)]
    docs: bool,
    /// Take the data plane's results from an earlier run's JSON
    #[arg(long, value_name = "FILE", conflicts_with_all = ["case", "json", "peers", "rounds", "seconds", "quick"])]
    from: Option<PathBuf>,
}

pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let case = args.named.as_deref().or(args.case.as_deref());
    if case == Some(GATEWAY) {
        return gateway(args);
    }
    if case == Some(TELEMETRY) {
        return telemetry(args);
    }
    let only_control_plane = case == Some(CONTROL_PLANE);
    if !only_control_plane {
        data_plane(args, case)?;
    }
    if only_control_plane || (case.is_none() && args.from.is_none()) {
        let file = args.json.as_deref().map(|file| if only_control_plane { file.into() } else { beside(file) });
        control_plane(file.as_deref(), args.docs)?;
    }
    Ok(())
}

fn data_plane(args: &BenchArgs, case: Option<&str>) -> anyhow::Result<()> {
    let root = root()?;
    let mut options = common(args);
    let mut option = |flag: &str, value: Option<OsString>| options.extend(pair(flag, value));
    option("--case", case.map(Into::into));
    option("--from", args.from.clone().map(Into::into));
    option("--svg", args.svg.clone().map(Into::into));
    if args.docs {
        option("--docs", Some(root.join("docs/benchmarks.md").into()));
        if args.svg.is_none() {
            option("--svg", Some(root.join("docs/images").into()));
        }
    }
    start("bench", "proxy", &options)
}

/// Measures the gateway alone.
fn gateway(args: &BenchArgs) -> anyhow::Result<()> {
    let mut options = common(args);
    if args.docs {
        options.extend(pair("--docs", Some(root()?.join("docs/gateway.md").into())));
    }
    start("gateway", "gateway", &options)
}

/// Measures the sidecar alone, with and without telemetry.
fn telemetry(args: &BenchArgs) -> anyhow::Result<()> {
    if args.peers.is_some() {
        bail!("--peers: telemetry is measured against the sidecar without it; leave the flag out");
    }
    let mut options = common(args);
    if args.docs {
        options.extend(pair("--docs", Some(root()?.join("docs/telemetry.md").into())));
    }
    start("telemetry", "proxy", &options)
}

/// What the data plane's benchmarks have in common.
fn common(args: &BenchArgs) -> Vec<OsString> {
    let mut options: Vec<OsString> = Vec::new();
    let mut option = |flag: &str, value: Option<OsString>| options.extend(pair(flag, value));
    option("--json", args.json.clone().map(Into::into));
    option("--peers", args.peers.clone().map(Into::into));
    option("--rounds", args.rounds.map(|n| n.to_string().into()));
    option("--seconds", args.seconds.map(|n| n.to_string().into()));
    if args.quick {
        options.push("--quick".into());
    }
    options
}

/// A flag with its value, if there is one.
fn pair(flag: &str, value: Option<OsString>) -> impl Iterator<Item = OsString> {
    let flag = OsString::from(flag);
    value.into_iter().flat_map(move |value| [flag.clone(), value])
}

/// Builds the controller alone and its benchmark, and runs it.
fn control_plane(json: Option<&Path>, docs: bool) -> anyhow::Result<()> {
    let target = target_dir()?.join("bench-controller");
    let mut build = cargo(&["build", "--locked", "--release", "--package", "isthmus", "--no-default-features"])?;
    build.args(["--features", "controller", "--package", "isthmus-bench-control-plane"]);
    succeed_in(&mut build, &target)?;
    let release = target.join("release");
    let mut run = Command::new(release.join("isthmus-bench-control-plane"));
    run.arg("--isthmus").arg(release.join("isthmus"));
    if let Some(file) = json {
        run.arg("--json").arg(file);
    }
    if docs {
        run.arg("--docs").arg(root()?.join("docs/control-plane.md"));
    }
    succeed(run)
}

/// Builds one role alone (`proxy`, `gateway`) and the data plane's benchmark, and runs one of its commands.
pub(crate) fn start(command: &str, role: &str, options: &[OsString]) -> anyhow::Result<()> {
    // A directory of its own: the same packages with fewer features would otherwise be built again and again.
    let target = target_dir()?.join("bench");
    let mut program = cargo(&[
        "build",
        "--locked",
        "--profile",
        "dist",
        "--package",
        "isthmus",
        "--no-default-features",
        "--features",
        role,
    ])?;
    succeed_in(&mut program, &target)?;
    let mut bench = cargo(&["build", "--locked", "--release", "--package", "isthmus-bench"])?;
    succeed_in(&mut bench, &target)?;
    let mut run = Command::new(target.join("release/isthmus-bench"));
    run.arg(command).arg("--isthmus").arg(target.join("dist/isthmus")).args(options);
    succeed(run)
}

fn succeed_in(command: &mut Command, target: &Path) -> anyhow::Result<()> {
    let status = command.env("CARGO_TARGET_DIR", target).status().context("can't start cargo")?;
    if !status.success() {
        bail!("the build failed");
    }
    Ok(())
}

fn succeed(mut command: Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("can't start {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{} failed", command.get_program().display());
    }
    Ok(())
}

fn cargo(args: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).arg("--manifest-path").arg(root()?.join("Cargo.toml"));
    Ok(command)
}

/// `results.json` → `results-control-plane.json`
fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_stem().unwrap_or_default().to_owned();
    name.push("-control-plane.json");
    file.with_file_name(name)
}

fn target_dir() -> anyhow::Result<PathBuf> {
    Ok(std::env::var_os("CARGO_TARGET_DIR").map_or(root()?.join("target"), PathBuf::from))
}

fn root() -> anyhow::Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_planes_results_lie_beside() {
        assert_eq!(beside(Path::new("/tmp/r.json")), Path::new("/tmp/r-control-plane.json"));
        assert_eq!(beside(Path::new("results")), Path::new("results-control-plane.json"));
    }
}
