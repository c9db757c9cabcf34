//! `cargo xtask test`: every test, and at the end a list of what could not be run here, why, and the remedy.

mod provide;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

/// Tests append one line to the file named by this variable for each test that they leave out.
const LEFT_OUT: &str = "ISTHMUS_LEFT_OUT";

/// Builds the program, runs all tests of the workspace, and sums up what was left out.
pub(crate) fn run() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    provide::kubectl();
    provide::servers(&root);
    provide::python(&root);
    let left_out = root.join("target/left-out.txt");
    fs::create_dir_all(root.join("target"))?;
    fs::write(&left_out, "")?;
    // Whole-system tests run the real program: it must be there, and be this tree's.
    cargo(&root, &["build", "--locked", "--package", "isthmus"], &left_out)?;
    let outcome = cargo(&root, &["test", "--locked", "--workspace", "--no-fail-fast"], &left_out);
    sum_up(&left_out)?;
    outcome
}

fn cargo(root: &Path, args: &[&str], left_out: &PathBuf) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(args).current_dir(root).env(LEFT_OUT, left_out).status();
    let status = status.with_context(|| format!("can't start cargo {}", args.join(" ")))?;
    if !status.success() {
        bail!("cargo {} failed", args.join(" "));
    }
    Ok(())
}

fn sum_up(left_out: &Path) -> anyhow::Result<()> {
    let mut lines: Vec<String> = fs::read_to_string(left_out)?.lines().map(str::to_owned).collect();
    lines.sort();
    lines.dedup();
    if lines.is_empty() {
        println!("\nNo test was left out.");
        return Ok(());
    }
    println!("\nLeft out on this machine:");
    for line in &lines {
        println!("  {line}");
    }
    if std::env::var_os("CI").is_some() {
        bail!("{} tests were left out, and CI leaves out none", lines.len());
    }
    Ok(())
}
