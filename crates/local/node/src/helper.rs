//! The hidden subcommand: what happens between a container's first process and its program.
//!
//! `container` is the first process of a PID namespace. It builds the container's file tree, starts the program through `run`, passes
//! signals on, and reaps. `exec` joins a running container. `run` gives privileges up and becomes the program.

mod container;
mod mounts;
mod privileges;
mod program;
pub(crate) mod spec;

use std::ffi::OsString;
use std::process::ExitCode;

/// The exit status of a container whose program was never reached.
pub(crate) const NOT_STARTED: u8 = 128;

/// The hidden subcommand's entry: call it with the arguments after the prefix that [`Config::helper`](crate::Config) holds, while the
/// process has one thread.
pub fn helper_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let texts: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
    let result = match texts.as_slice() {
        ["container", spec] => serde_json::from_str(spec).map_err(Into::into).and_then(|spec| container::run(&spec)),
        ["exec", spec] => serde_json::from_str(spec).map_err(Into::into).and_then(|spec| program::exec(&spec)),
        ["run", spec] => serde_json::from_str(spec).map_err(Into::into).and_then(|spec| program::run(&spec)),
        _ => Err(program::Failure::new(NOT_STARTED, "this subcommand is for the cluster itself".into())),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("isthmus: {failure}");
            ExitCode::from(failure.code)
        }
    }
}
