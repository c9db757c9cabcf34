//! Tests that a machine can't run are named, with the reason and the remedy: never a silent skip.

use std::{env, fs, io::Write};

/// Says that `test` was left out. `cargo xtask test` sums these lines up.
///
/// # Panics
/// Under CI: it leaves out nothing.
pub fn say(test: &str, why: &str, remedy: &str) {
    let line = format!("{test}: {why}; {remedy}");
    // Not through `println!`, which the test harness would swallow.
    let _ = writeln!(std::io::stderr(), "LEFT OUT: {line}");
    if env::var_os("CI").is_some() {
        #[allow(clippy::panic, reason = "it is how a test fails")]
        {
            panic!("{line}");
        }
    }
    let Some(path) = env::var_os("ISTHMUS_LEFT_OUT") else { return };
    let written = fs::OpenOptions::new().append(true).create(true).open(path).and_then(|mut f| writeln!(f, "{line}"));
    if let Err(error) = written {
        println!("ISTHMUS_LEFT_OUT: {error}");
    }
}
