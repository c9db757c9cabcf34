//! Two pods in network namespaces, with the kernel's real redirect. Runs as root, or in a user namespace of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    missing_docs,
    unreachable_pub
)]

mod namespace;
mod pods;
#[path = "../mesh/support.rs"]
mod support;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Err(reason) = namespace::become_root() {
        println!("skipped: {reason}");
        return ExitCode::SUCCESS;
    }
    let only = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let mut failed = 0;
    for (name, case) in pods::CASES.iter().filter(|(name, _)| name.contains(&only)) {
        let passed = namespace::in_new(*case);
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += usize::from(!passed);
    }
    ExitCode::from(u8::from(failed > 0))
}
