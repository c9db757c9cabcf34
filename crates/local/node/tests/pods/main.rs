//! Pods on a real API server, in real namespaces. Runs as root, or in a user namespace of its own.
//!
//! The program plays every part: the tests, the node's helper (`pod-helper`), and what runs in the pods (`app`).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod app;
mod cases;
mod cluster;
mod doomed;
mod ending;
mod joined;

use std::ffi::OsString;
use std::process::ExitCode;

use isthmus_local_node::{enter_user_namespace_if_needed, helper_main};

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    match args.first().and_then(|arg| arg.to_str()) {
        Some("pod-helper") => return helper_main(args.into_iter().skip(1)),
        Some("app") => return app::main(&args),
        _ => {}
    }
    if std::env::var_os("RUST_LOG").is_some() {
        tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    }
    match enter_user_namespace_if_needed() {
        Ok(entered) => println!("{}", if entered { "in a user namespace" } else { "as root" }),
        Err(reason) => {
            println!("skipped: {reason}");
            return ExitCode::SUCCESS;
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    if args.first().is_some_and(|arg| arg == "doomed") {
        runtime.block_on(doomed::main());
    }
    let only =
        args.iter().filter_map(|arg| arg.to_str()).find(|arg| !arg.starts_with('-')).unwrap_or_default().to_owned();
    let failed = runtime.block_on(cases::run(&only));
    runtime.shutdown_background();
    ExitCode::from(u8::from(failed > 0))
}
