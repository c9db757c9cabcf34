//! `isthmus monitoring`: what Prometheus and Grafana need to know of the mesh, from `charts/isthmus-monitoring`.

use clap::{Subcommand, ValueEnum};

use crate::stdout;

/// A file of the chart.
macro_rules! chart {
    ($file:literal) => {
        include_str!(concat!("../../charts/isthmus-monitoring/", $file))
    };
}

#[derive(Debug, Subcommand)]
pub(crate) enum MonitoringCommand {
    /// Print how Prometheus finds the pods of the mesh
    ScrapeConfig,
    /// Print recording rules: golden metrics by workload, service, split and edge
    Rules,
    /// Print alerts; they use the recording rules
    Alerts,
    /// Print a board for Grafana
    Dashboard {
        /// Which one
        board: Board,
    },
}

/// The boards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Board {
    /// The whole mesh at a glance
    Mesh,
    /// One workload: who calls it, and whom it calls
    Workload,
    /// One Service, and how a split shares it out
    Service,
    /// Other meshes, gateways and the hub
    Federation,
    /// The controller
    ControlPlane,
}

impl Board {
    const fn json(self) -> &'static str {
        match self {
            Self::Mesh => chart!("dashboards/mesh.json"),
            Self::Workload => chart!("dashboards/workload.json"),
            Self::Service => chart!("dashboards/service.json"),
            Self::Federation => chart!("dashboards/federation.json"),
            Self::ControlPlane => chart!("dashboards/control-plane.json"),
        }
    }
}

pub(crate) fn run(command: &MonitoringCommand) -> anyhow::Result<()> {
    Ok(stdout::say(match command {
        MonitoringCommand::ScrapeConfig => chart!("scrape-config.yaml"),
        MonitoringCommand::Rules => chart!("recording-rules.yaml"),
        MonitoringCommand::Alerts => chart!("alerts.yaml"),
        MonitoringCommand::Dashboard { board } => board.json(),
    })?)
}
