//! A real Prometheus. Debian's build has no discovery by Kubernetes: a file of targets, with the labels that discovery would give
//! them, stands in, so that all of a configuration but this is what it says.

/// The configuration with each `kubernetes_sd_configs` replaced by one that reads targets from a file.
pub fn with_file_discovery(config: &str, targets: &str) -> String {
    let mut out = String::new();
    let mut within = None;
    for line in config.lines() {
        let depth = line.len() - line.trim_start().len();
        if within.is_some_and(|start| depth > start) {
            continue;
        }
        within = None;
        if line.trim() == "kubernetes_sd_configs:" {
            within = Some(depth);
            out += &format!("{:depth$}file_sd_configs: [{{ files: ['{targets}'] }}]\n", "");
        } else {
            out += &format!("{line}\n");
        }
    }
    out
}
