//! One request in one line for people.

use std::fmt::Write as _;

use serde::Deserialize;

use super::Fault;
use crate::views::api::clean;

pub(super) const HEAD: &str = "TIME             POD                                  PEER                            REQUEST                                   STATUS   TOOK\n";

/// What is shown of it.
#[derive(Debug, Deserialize)]
struct Told {
    timestamp: String,
    pod: String,
    direction: String,
    protocol: String,
    peer_mesh: Option<String>,
    peer_namespace: Option<String>,
    peer_workload: Option<String>,
    service: Option<String>,
    backend: Option<String>,
    method: Option<String>,
    path: Option<String>,
    status: Option<u16>,
    grpc_status: Option<u32>,
    deny: Option<String>,
    error: Option<String>,
    #[serde(default)]
    duration_us: u64,
    #[serde(default)]
    missed: u64,
}

/// `<-` arrives at the pod, `->` departs from it.
pub(super) fn shown(text: &str) -> Result<String, Fault> {
    let told: Told = serde_json::from_str(text)?;
    let time: String = told.timestamp.chars().skip("2026-01-01T".len()).take("00:00:00.000".len()).collect();
    let arrow = if told.direction == "inbound" { "<-" } else { "->" };
    let request = match (&told.method, &told.path) {
        (Some(method), Some(path)) => format!("{method} {path}"),
        (Some(method), None) => method.clone(),
        _ => told.protocol.clone(),
    };
    let mut out = format!(
        "{:<16} {:<36} {arrow} {:<28} {:<41} {:<8} {}",
        clean(&time),
        clean(&told.pod),
        clean(&told.peer()),
        clean(&request),
        told.outcome(),
        took(told.duration_us)
    );
    for code in [&told.deny, &told.error].into_iter().flatten() {
        let _ = write!(out, "  {}", clean(code));
    }
    if told.missed > 0 {
        let _ = write!(out, "  ({} before it weren't told: more came than --max-rps)", told.missed);
    }
    out.push('\n');
    Ok(out)
}

impl Told {
    /// Who is at the other end, or else what was called.
    fn peer(&self) -> String {
        match (&self.peer_namespace, &self.peer_workload) {
            (Some(namespace), Some(workload)) => format!("{namespace}/{workload}"),
            (Some(namespace), None) => format!("{}: {namespace}", self.peer_mesh.as_deref().unwrap_or("?")),
            _ if self.direction == "inbound" => "(unknown)".to_owned(),
            _ => self.backend.as_ref().or(self.service.as_ref()).cloned().unwrap_or_else(|| "(unknown)".to_owned()),
        }
    }

    fn outcome(&self) -> String {
        match (self.status, self.grpc_status) {
            (_, Some(grpc)) => format!("grpc {grpc}"),
            (Some(0), None) => "none".to_owned(),
            (Some(status), None) => status.to_string(),
            (None, None) => "-".to_owned(),
        }
    }
}

/// In the unit that reads best.
fn took(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}
