//! The command line. Every flag of a role has an environment variable, for pods are configured by those.

use clap::{Args, Parser, Subcommand, ValueEnum};
use isthmus_runtime::{
    build,
    logging::{self, Format},
};

#[cfg(feature = "conformance")]
use crate::conformance::ConformanceCommand;
#[cfg(feature = "federation")]
use crate::federation::FederationCommand;
#[cfg(feature = "local")]
use crate::local;
#[cfg(feature = "views")]
use crate::log_level::LogLevelArgs;
#[cfg(feature = "migrate")]
use crate::migrate::{ExportCommand, MigrateArgs};
#[cfg(feature = "federation")]
use crate::monitoring::MonitoringCommand;
#[cfg(feature = "probe")]
use crate::probe::ProbeArgs;
#[cfg(any(feature = "controller", feature = "gateway", feature = "hub", feature = "proxy"))]
use crate::roles;
#[cfg(feature = "views")]
use crate::views::{ViewCommand, plugin::PluginCommand};
use crate::{app::AppArgs, stdout};

#[cfg(not(feature = "broken"))]
const AFTER_HELP: &str = "Begin with `isthmus demo`, or `isthmus up` and kubectl.";
#[cfg(feature = "broken")]
const AFTER_HELP: &str = crate::broken::HELP;

/// A service mesh: SMI objects steer and guard real traffic.
#[derive(Debug, Parser)]
#[command(name = "isthmus", version = build::VERSION, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct LogArgs {
    /// Log filter: a level, or directives like info,isthmus_proxy=debug
    // An id is a field's name unless it is given, and one that a command has too would take over its value.
    #[arg(id = "log", long, env = "ISTHMUS_LOG", global = true, value_name = "FILTER", value_parser = logging::check, help_heading = "Logging")]
    filter: Option<String>,
    /// Log format: text or json [default: json for proxy, gateway, hub and controller, else text]
    #[arg(id = "log-format", long, env = "ISTHMUS_LOG_FORMAT", global = true, help_heading = "Logging")]
    format: Option<Format>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a cluster on this machine, with the mesh in it
    #[cfg(feature = "local")]
    Up(local::up::UpArgs),
    /// Stop a cluster and remove its state
    #[cfg(feature = "local")]
    Down(local::down::DownArgs),
    /// Show the clusters of this machine
    #[cfg(feature = "local")]
    Status(local::status::StatusArgs),
    /// Show what the mesh does: a sample shop, real requests, a verdict for each promise
    #[cfg(feature = "local")]
    Demo(local::demo::DemoArgs),
    /// Join meshes, look after them, and part them
    #[cfg(feature = "federation")]
    #[command(subcommand)]
    Federation(FederationCommand),
    #[cfg(feature = "views")]
    #[command(flatten)]
    View(ViewCommand),
    /// Show or change what the mesh's own processes write into their logs, while they run
    #[cfg(feature = "views")]
    LogLevel(LogLevelArgs),
    /// Make this program a plugin of kubectl
    #[cfg(feature = "views")]
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Print what Prometheus and Grafana need: scrape configuration, rules, alerts, boards
    #[cfg(feature = "federation")]
    #[command(subcommand)]
    Monitoring(MonitoringCommand),
    /// Print another mesh's objects as this one's, and tell what has no translation
    #[cfg(feature = "migrate")]
    Migrate(MigrateArgs),
    /// Print this mesh's objects for another one
    #[cfg(feature = "migrate")]
    #[command(subcommand)]
    Export(ExportCommand),
    /// Check any mesh against the SMI specification, case by case
    #[cfg(feature = "conformance")]
    #[command(subcommand)]
    Conformance(ConformanceCommand),
    /// Look at something from where a pod is, for `federation check`
    #[cfg(feature = "probe")]
    #[command(hide = true)]
    Probe(ProbeArgs),
    /// Print a shell's completion script
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the version
    Version {
        /// How to print it
        #[arg(short, long, value_enum, default_value = "table")]
        output: Output,
    },
    /// Role: the control plane
    #[cfg(feature = "controller")]
    Controller(Box<roles::controller::ControllerArgs>),
    /// Role: the sidecar
    #[cfg(feature = "proxy")]
    Proxy(Box<roles::proxy::ProxyArgs>),
    /// Role: the gateway between meshes
    #[cfg(feature = "gateway")]
    Gateway(Box<roles::gateway::GatewayArgs>),
    /// Role: the hub that meshes are joined by
    #[cfg(feature = "hub")]
    Hub(Box<roles::hub::HubArgs>),
    /// Role: the init container that sends a pod's traffic through its sidecar
    #[cfg(feature = "proxy")]
    Redirect(roles::redirect::RedirectCli),
    /// Role: a sample program
    App(AppArgs),
}

/// How lists are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
    /// For both
    Yaml,
}

impl LogArgs {
    /// Sets logging up for a command; without a filter of the user's, at this level. Each line is out before the command goes on.
    #[cfg(any(feature = "proxy", feature = "views"))]
    pub(crate) fn for_command(&self, default: &str) -> anyhow::Result<()> {
        logging::init(self.format.unwrap_or(Format::Text), self.filter(default))?;
        Ok(())
    }

    /// The same for what runs until it is told to end: nobody waits for its lines, and where they can't be written they are lost.
    /// It starts a thread.
    pub(crate) fn for_service(&self, format: Format, default: &str) -> anyhow::Result<logging::Handle> {
        Ok(logging::init_queued(self.format_or(format), self.filter(default))?)
    }

    /// The user's format, or else this one.
    pub(crate) fn format_or(&self, format: Format) -> Format {
        self.format.unwrap_or(format)
    }

    fn filter<'a>(&'a self, default: &'a str) -> &'a str {
        self.filter.as_deref().unwrap_or(default)
    }
}

/// What the command line asks for can't be: exits as a wrong flag does.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct Usage(pub(crate) anyhow::Error);

pub(crate) fn print_version(output: Output) -> anyhow::Result<()> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let text = match output {
        Output::Table => build::line(),
        Output::Json => version_json(os, arch).to_string(),
        Output::Yaml => format!("version: {}\nos: {os}\narch: {arch}", build::VERSION),
    };
    Ok(stdout::say(&format!("{text}\n"))?)
}

fn version_json(os: &str, arch: &str) -> serde_json::Value {
    let version = serde_json::json!({ "version": build::VERSION, "os": os, "arch": arch });
    #[cfg(feature = "broken")]
    let version = crate::broken::with_faults(version);
    version
}

#[cfg(test)]
mod tests;
