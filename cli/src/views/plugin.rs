//! `kubectl traffic`: the same program under the name by which kubectl finds its plugins.

mod complete;
mod install;

use std::{ffi::OsStr, path::Path};

use clap::{Parser, Subcommand};
use isthmus_runtime::build;

use super::ViewCommand;
use crate::args::LogArgs;
pub(crate) use complete::complete;
pub(crate) use install::{InstallArgs, install};

/// As which kubectl starts a plugin `traffic`.
const PLUGIN: &str = "kubectl-traffic";
/// As which it asks for completions of one.
const COMPLETER: &str = "kubectl_complete-traffic";

/// Live views on the traffic of a mesh that serves the SMI metrics API.
#[derive(Debug, Parser)]
#[command(name = PLUGIN, bin_name = "kubectl traffic", version = build::VERSION, max_term_width = 100)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Traffic {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(subcommand)]
    pub(crate) command: ViewCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Make `kubectl traffic` work: a link named kubectl-traffic to this program
    Install(InstallArgs),
}

/// What the program was started as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Called {
    Isthmus,
    Plugin,
    Completer,
}

/// By the name that it was started by.
pub(crate) fn called(program: Option<&OsStr>) -> Called {
    match program.map(Path::new).and_then(Path::file_name).and_then(OsStr::to_str) {
        Some(PLUGIN) => Called::Plugin,
        Some(COMPLETER) => Called::Completer,
        _ => Called::Isthmus,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_name_says_what_is_wanted() {
        let as_what = |name: &str| called(Some(OsStr::new(name)));
        assert_eq!(as_what("/usr/local/bin/kubectl-traffic"), Called::Plugin);
        assert_eq!(as_what("kubectl_complete-traffic"), Called::Completer);
        assert_eq!([as_what("isthmus"), as_what("/opt/kubectl-traffic/isthmus"), called(None)], [Called::Isthmus; 3]);
    }

    #[test]
    fn the_command_line_is_consistent() {
        Traffic::command().debug_assert();
    }
}
