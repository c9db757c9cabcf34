//! The rulesets in real network namespaces, with real sockets. Runs as root, or in a user namespace of its own.

#![allow(clippy::unwrap_used)]

mod links;
mod redirect;
mod services;
mod support;

use std::process::ExitCode;

type Case = (&'static str, fn());

fn main() -> ExitCode {
    if let Err(reason) = support::become_root() {
        println!("skipped: {reason}");
        return ExitCode::SUCCESS;
    }
    let only = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let mut failed = 0;
    for (name, case) in
        redirect::CASES.iter().chain(services::CASES).chain(links::CASES).filter(|(name, _)| name.contains(&only))
    {
        let passed = support::in_new_namespace(*case);
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += usize::from(!passed);
    }
    ExitCode::from(u8::from(failed > 0))
}
