//! A cluster process that is killed, and what is left of it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cluster::Cluster;

/// Runs a pod and waits to be killed; prints a line when the pod runs.
pub(crate) async fn main() -> ! {
    let state = tempfile::tempdir().unwrap().keep();
    let cluster = Cluster::start(&state).await;
    let script = "trap '' TERM HUP INT; (sleep 86399 &); echo up; sleep 86398";
    cluster.pod("victim", json!({"containers": [{"name": "c", "image": "local/sh", "args": ["-c", script]}]})).await;
    cluster.ready("victim").await;
    while !cluster.logs("victim", "c", Default::default()).await.contains("up") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("running {}", state.display());
    std::future::pending::<()>().await;
    unreachable!()
}

/// Starts such a process, kills it, and waits until nothing is left of its pods.
pub(crate) fn kill_and_look() {
    let mut child =
        Command::new(std::env::current_exe().unwrap()).arg("doomed").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let state = lines.find_map(|line| line.strip_prefix("running ").map(str::to_owned)).unwrap();
    let mark = format!("ISTHMUS_LOCAL_NODE={state}/node");
    assert!(marked(&mark) >= 3, "the container's first process, its shell and a sleep");
    child.kill().unwrap();
    child.wait().unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while marked(&mark) > 0 {
        assert!(Instant::now() < end, "processes outlived their node");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::fs::remove_dir_all(Path::new(&state)).unwrap();
}

fn marked(mark: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let environments = entries.filter_map(|entry| std::fs::read(entry.path().join("environ")).ok());
    environments.filter(|env| env.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())).count()
}
