//! The whole benchmark with no proxy in it: namespaces, application, load and report.

#![allow(clippy::unwrap_used, reason = "it is how a test fails")]

use std::{fs::OpenOptions, io::Write as _, process::Command};

#[test]
fn no_proxy_is_measured_in_every_case() {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("results.json");
    let program = env!("CARGO_BIN_EXE_isthmus-bench");
    // Without a proxy the sidecar isn't started: any file will do.
    let output = Command::new(program)
        .args(["bench", "--quick", "--peers", "none", "--isthmus", program, "--json"])
        .arg(&json)
        .arg("--svg")
        .arg(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if let Some(reason) = said.lines().find(|line| line.contains("can't make network namespaces")) {
        return left_out(reason);
    }
    assert!(output.status.success(), "{said}");
    let rows: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let cases: Vec<&str> = rows.as_array().unwrap().iter().map(|row| row["case"].as_str().unwrap()).collect();
    let all = ["one-hop-h1", "two-hop-mtls-h1", "two-hop-mtls-h2", "two-hop-mtls-grpc", "two-hop-mtls-tcp"];
    assert_eq!(cases, all);
    for row in rows.as_array().unwrap() {
        assert_eq!((row["peer"].as_str(), row["runs"].as_u64()), (Some("none"), Some(1)), "{row}");
        let figure = |name: &str| row[name].as_f64().unwrap();
        assert!(figure("rps") > 0.0 && figure("p50_us") > 0.0, "{row}");
        assert!(figure("p50_us") <= figure("p99_us") && figure("p99_us") <= figure("p999_us"), "{row}");
    }
    for chart in ["bench-cpu.svg", "bench-latency.svg", "bench-memory.svg"] {
        assert!(std::fs::read_to_string(dir.path().join(chart)).unwrap().ends_with("</svg>\n"), "{chart}");
    }
}

#[test]
fn a_wrong_name_is_told_and_nothing_is_started() {
    let program = env!("CARGO_BIN_EXE_isthmus-bench");
    let output = Command::new(program).args(["bench", "--isthmus", program, "--case", "three-hops"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("three-hops") && said.contains("two-hop-mtls-h1"), "{said}");
}

/// `cargo xtask test` sums up what was left out; CI leaves out nothing.
fn left_out(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "{reason}");
    println!("left out: {reason}");
    if let Some(path) = std::env::var_os("ISTHMUS_LEFT_OUT") {
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(file, "isthmus-bench none: {reason}").unwrap();
    }
}
