//! A cluster in a process of its own, to be killed: `run-cluster <name> <index> <state dir> <data dir>`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use isthmus_local::{Cluster, ClusterConfig};

pub(crate) fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<String> = args.filter_map(|arg| arg.into_string().ok()).collect();
    let [name, index, state, data] = args.as_slice() else { return ExitCode::FAILURE };
    if let Err(error) = isthmus_local_node::enter_user_namespace_if_needed() {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    let config = ClusterConfig {
        data_dir: Some(PathBuf::from(data)),
        ..crate::config(name, index.parse().unwrap_or(0), &PathBuf::from(state))
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        match Cluster::start(config).await {
            // Until somebody kills it.
            Ok(_cluster) => std::future::pending().await,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        }
    })
}
