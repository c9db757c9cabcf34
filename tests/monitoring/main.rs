//! What `isthmus monitoring` prints: is it valid, does it do what it says, and does it speak of metrics that there are?

#![allow(clippy::unwrap_used, reason = "it is how a test fails")]

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use isthmus_tests::{kubectl, left_out, software};
use serde_json::Value;

mod metrics;

const BOARDS: [&str; 5] = ["mesh", "workload", "service", "federation", "control-plane"];

/// A file of the chart.
fn chart(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../charts/isthmus-monitoring").join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(chart(file)).unwrap()
}

/// Runs promtool on something that it is to find right; `None` where there is none, which is told.
fn promtool(test: &str, args: &[&str]) -> Option<String> {
    if let Err(missing) = software::check("promtool") {
        left_out::say(&format!("monitoring: {test}"), &missing.why, &missing.remedy);
        return None;
    }
    let output = Command::new(software::path("promtool").unwrap()).args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {}: {text}", args.join(" "));
    Some(text)
}

#[test]
fn rules_and_alerts_are_valid() {
    for file in ["recording-rules.yaml", "alerts.yaml"] {
        let path = chart(file).display().to_string();
        promtool("rules_and_alerts_are_valid", &["check", "rules", &path]);
    }
}

/// Both sides of each threshold: `charts/isthmus-monitoring/tests`.
#[test]
fn alerts_are_raised_by_what_they_speak_of() {
    let files = ["tests/traffic.yaml", "tests/mesh.yaml"];
    let paths = files.map(|file| chart(file).display().to_string());
    promtool("alerts_are_raised_by_what_they_speak_of", &["test", "rules", &paths[0], &paths[1]]);
    let tests = files.map(read).concat();
    let alerts = read("alerts.yaml");
    for alert in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let raised = tests.split(&format!("alertname: {alert}\n")).skip(1).any(|after| {
            let expected = after.lines().find(|line| line.trim_start().starts_with("exp_alerts:"));
            expected.is_some_and(|line| line.trim() == "exp_alerts:")
        });
        assert!(raised, "no test raises {alert}");
    }
}

/// The expressions that TrafficMetrics asks Prometheus: exact over series that come, go and start anew.
#[test]
fn traffic_metrics_counts_exactly() {
    let file = "../../smi-controller/src/telemetry/prometheus/expression/exact.yaml";
    let path = chart(file).display().to_string();
    promtool("traffic_metrics_counts_exactly", &["test", "rules", &path]);
}

/// Debian's build has no discovery by Kubernetes, so files of targets stand in: all else is what is printed.
#[test]
fn the_scrape_configuration_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let (config, targets) = (folder.path().join("prometheus.yml"), folder.path().join("targets.json"));
    fs::write(&targets, "[]").unwrap();
    let text =
        isthmus_tests::prometheus::with_file_discovery(&read("scrape-config.yaml"), &targets.display().to_string());
    assert!(!text.contains("kubernetes_sd_configs"), "{text}");
    fs::write(&config, text).unwrap();
    promtool("the_scrape_configuration_is_valid", &["check", "config", &config.display().to_string()]);
}

#[test]
fn rules_alerts_and_boards_name_documented_metrics() {
    let documented = metrics::documented();
    let recorded = metrics::recorded(&read("recording-rules.yaml"));
    let boards = BOARDS.map(|board| read(&format!("dashboards/{board}.json")));
    let texts = [read("recording-rules.yaml"), read("alerts.yaml"), boards.concat()];
    let named: BTreeSet<String> = texts.iter().flat_map(|text| metrics::named(text)).collect();
    assert!(named.len() > 40, "{named:?}");
    let unknown: Vec<_> =
        named.iter().filter(|name| !documented.contains(*name) && !recorded.contains(*name)).collect();
    assert!(unknown.is_empty(), "not in docs/metrics.md: {unknown:?}");
}

/// Each panel asks the data source that the user chooses, in expressions that Prometheus can read.
#[test]
fn boards_are_boards() {
    let mut rules = String::from("groups: [{ name: boards, rules: [\n");
    for name in BOARDS {
        let board: Value = serde_json::from_str(&read(&format!("dashboards/{name}.json"))).unwrap();
        assert!(board["schemaVersion"].as_u64().is_some_and(|version| version >= 36), "{name}");
        assert_eq!(board["uid"], format!("isthmus-{name}"));
        let panels = board["panels"].as_array().unwrap();
        let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
        assert_eq!(ids.len(), panels.len(), "{name}: two panels of one id");
        for panel in panels.iter().filter(|panel| panel["type"] != "row") {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{name}: {}", panel["title"]);
            for target in panel["targets"].as_array().unwrap() {
                let expression = target["expr"].as_str().unwrap().replace("$__rate_interval", "5m");
                rules += &format!("{{ record: x, expr: {} }},\n", Value::from(expression));
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("boards.yaml");
    fs::write(&file, rules + "] }]\n").unwrap();
    promtool("boards_are_boards", &["check", "rules", "--lint=none", &file.display().to_string()]);
}

#[test]
fn the_program_prints_them() {
    let program = kubectl::built("isthmus").unwrap();
    let print = |args: &[&str]| {
        let output = Command::new(&program).arg("monitoring").args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(print(&["scrape-config"]), read("scrape-config.yaml"));
    assert_eq!(print(&["rules"]), read("recording-rules.yaml"));
    assert_eq!(print(&["alerts"]), read("alerts.yaml"));
    for board in BOARDS {
        assert_eq!(print(&["dashboard", board]), read(&format!("dashboards/{board}.json")));
    }
}
