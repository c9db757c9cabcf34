//! Tests that share what is dear to set up: it is set up once, if any of them is to be run, and goes when the last has.

use std::{process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Failed, Trial};

/// A test's body, as long as it needs no more than what is shared.
pub type Body<S> = fn(&S) -> anyhow::Result<()>;

/// Runs tests, by their names. `possible` says (and reports what is left out) whether they can be run here at all.
pub fn run<S, B>(
    arguments: &Arguments,
    tests: impl IntoIterator<Item = (&'static str, B)>,
    possible: impl FnOnce() -> bool,
    set_up: impl FnOnce() -> anyhow::Result<S>,
) -> ExitCode
where
    S: Send + Sync + 'static,
    B: Fn(&S) -> anyhow::Result<()> + Send + 'static,
{
    let shared = match () {
        () if arguments.list => None,
        () if !possible() => return ExitCode::SUCCESS,
        () => match set_up() {
            Ok(shared) => Some(Arc::new(shared)),
            Err(error) => {
                println!("nothing to test on: {error:#}");
                return ExitCode::FAILURE;
            }
        },
    };
    let trial = |(name, body): (&'static str, B)| {
        let shared = shared.clone();
        Trial::test(name, move || match &shared {
            Some(shared) => body(shared).map_err(|error| Failed::from(format!("{error:#}"))),
            None => Ok(()),
        })
    };
    // The trials hold what is shared: it goes when the last has run and this function's own handle is dropped.
    libtest_mimic::run(arguments, tests.into_iter().map(trial).collect()).exit_code()
}
