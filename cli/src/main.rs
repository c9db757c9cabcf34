//! The one binary, `isthmus`: commands for people, and each role of the mesh as a subcommand.

mod app;
mod args;
#[cfg(feature = "broken")]
mod broken;
mod roles;
mod stdout;
mod told;
#[cfg(feature = "controller")]
mod traces;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use isthmus_runtime::logging;

use args::{Cli, Command};
#[cfg(feature = "views")]
use views::plugin::PluginCommand;

// The controller has many threads, a gateway many short connections. A sidecar's worker is as fast with the system's, and smaller.
#[cfg(any(feature = "controller", feature = "gateway", feature = "hub"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `EX_USAGE` of sysexits.h: the command line can't be understood.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    // Namespaces are entered by a process of one thread, so before anything else.
    #[cfg(feature = "local")]
    if let Some(code) = local::pod_helper() {
        return code;
    }
    #[cfg(feature = "broken")]
    if let Some(code) = broken::say() {
        return code;
    }
    let code = parse_and_run().unwrap_or_else(|error| {
        logging::say(&format!("isthmus: {}", told::told(&error)));
        ExitCode::from(exit_code(&error))
    });
    logging::flush();
    code
}

/// As what the program was started says which command line it has.
#[cfg(feature = "views")]
fn parse_and_run() -> anyhow::Result<ExitCode> {
    use views::plugin::{self, Called};
    match plugin::called(std::env::args_os().next().as_deref()) {
        Called::Isthmus => parsed::<Cli>(run),
        Called::Plugin => parsed::<plugin::Traffic>(|traffic| views::run(&traffic.log, traffic.command)),
        Called::Completer => {
            let words: Vec<String> = std::env::args_os().skip(1).map(|w| w.to_string_lossy().into_owned()).collect();
            stdout::say(&plugin::complete(&words))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(not(feature = "views"))]
fn parse_and_run() -> anyhow::Result<ExitCode> {
    parsed::<Cli>(run)
}

fn parsed<C: Parser>(run: impl FnOnce(C) -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    match C::try_parse() {
        Ok(cli) => run(cli),
        Err(error) => {
            // To a closed pipe, as of `isthmus --help | head`, nobody listens.
            let _ = error.print();
            Ok(ExitCode::from(if error.use_stderr() { USAGE } else { 0 }))
        }
    }
}

fn exit_code(error: &anyhow::Error) -> u8 {
    #[cfg(feature = "views")]
    if let Some(fault) = error.downcast_ref::<views::Fault>() {
        return fault.exit_code();
    }
    #[cfg(feature = "views")]
    if let Some(fault) = error.downcast_ref::<views::tap::Fault>() {
        return fault.exit_code();
    }
    if error.is::<args::Usage>() { USAGE } else { 1 }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let done = match cli.command {
        Command::App(args) => roles::app(&cli.log, args),
        #[cfg(feature = "proxy")]
        Command::Proxy(args) => roles::proxy::run(&cli.log, args),
        #[cfg(feature = "gateway")]
        Command::Gateway(args) => roles::gateway::run(&cli.log, args),
        #[cfg(feature = "hub")]
        Command::Hub(args) => roles::hub::run(&cli.log, args),
        #[cfg(feature = "proxy")]
        Command::Redirect(args) => roles::redirect::run(&cli.log, args),
        #[cfg(feature = "controller")]
        Command::Controller(args) => roles::controller::run(&cli.log, args),
        #[cfg(feature = "local")]
        Command::Up(args) => return local::up::run(&cli.log, args),
        #[cfg(feature = "local")]
        Command::Down(args) => return local::down::run(&args),
        #[cfg(feature = "local")]
        Command::Status(args) => return local::status::run(&args),
        #[cfg(feature = "local")]
        Command::Demo(args) => return local::demo::run(&cli.log, args),
        #[cfg(feature = "federation")]
        Command::Federation(command) => return federation::run(&cli.log, command),
        #[cfg(feature = "views")]
        Command::View(command) => return views::run(&cli.log, command),
        #[cfg(feature = "views")]
        Command::LogLevel(args) => return log_level::run(&cli.log, &args),
        #[cfg(feature = "views")]
        Command::Plugin(PluginCommand::Install(args)) => views::plugin::install(&args),
        #[cfg(feature = "federation")]
        Command::Monitoring(command) => monitoring::run(&command),
        #[cfg(feature = "migrate")]
        Command::Migrate(args) => return migrate::run(&args),
        #[cfg(feature = "migrate")]
        Command::Export(command) => return migrate::export(&cli.log, command),
        #[cfg(feature = "conformance")]
        Command::Conformance(command) => return conformance::run(&cli.log, command),
        #[cfg(feature = "probe")]
        Command::Probe(args) => probe::run(args),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "isthmus", &mut script);
            // By ourselves: the generator panics when the reader has gone.
            Ok(stdout::say(&String::from_utf8_lossy(&script))?)
        }
        Command::Version { output } => args::print_version(output),
    };
    done.map(|()| ExitCode::SUCCESS)
}

#[cfg(feature = "views")]
mod cluster;
#[cfg(feature = "conformance")]
mod conformance;
#[cfg(feature = "federation")]
mod federation;
#[cfg(feature = "local")]
mod local;
#[cfg(feature = "views")]
mod log_level;
#[cfg(feature = "migrate")]
mod migrate;
#[cfg(feature = "federation")]
mod monitoring;
#[cfg(feature = "views")]
mod output;
#[cfg(feature = "probe")]
mod probe;
#[cfg(feature = "federation")]
mod progress;
#[cfg(feature = "views")]
mod views;
