//! `promtool check metrics`: our own names are as Prometheus would have them. Those of other meshes are theirs.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use anyhow::bail;

use crate::software;

/// What the compatibility families begin with.
const OTHERS: [&str; 3] = ["response_", "osm_", "istio_"];

/// Finds nothing wrong with what somebody's `/metrics` says; how many lines that were.
pub fn lint(metrics: &str) -> anyhow::Result<usize> {
    let of_others = |line: &&str| {
        let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
        OTHERS.iter().any(|prefix| name.starts_with(prefix))
    };
    let own: Vec<&str> = metrics.lines().filter(|line| !of_others(line)).collect();
    let mut child = Command::new(software::path("promtool")?)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all((own.join("\n") + "\n").as_bytes())?;
    }
    let output = child.wait_with_output()?;
    let said = [output.stdout, output.stderr].concat();
    if own.is_empty() || !output.status.success() {
        bail!("{} lines: {}", own.len(), String::from_utf8_lossy(&said));
    }
    Ok(own.len())
}
