//! The hidden subcommand alone, for this package's own tests: `pod-helper MODE SPEC`.

use std::process::ExitCode;

fn main() -> ExitCode {
    isthmus_local_node::helper_main(std::env::args_os().skip(1))
}
