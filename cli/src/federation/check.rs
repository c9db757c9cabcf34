//! `isthmus federation check`: walks the way from this side to its peers, and stops at the first fault with what to do.

mod exec;
mod facts;
mod far;
mod report;
mod state;

use std::{net::SocketAddr, process::ExitCode};

use anyhow::Context;
use clap::Args;
use isthmus_core::federation::MeshName;
use isthmus_k8s::federation::{BundleStatus, Mesh, MeshPeer};
use isthmus_smi_controller::annotations::PROXY_CONTAINER;
use kube::ResourceExt;

use super::target::{PeerArgs, Side, Target};
use crate::{
    args::Output,
    output,
    probe::{Kind, Probe, Request},
};
use exec::Post;
use facts::Facts;
use report::{Fault, Report, Stopped};

/// Where a sidecar takes requests that aren't redirected to it.
const SIDECAR: ([u8; 4], u16) = ([127, 0, 0, 1], 15001);
/// By what the controller's pods are found, and their container.
const CONTROLLER: (&str, &str) = ("app.kubernetes.io/name=isthmus-controller", "controller");

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Only this peer
    mesh: Option<MeshName>,
    /// A meshed pod that one real request is sent from, NAMESPACE/POD
    #[arg(long, value_name = "NAMESPACE/POD", requires = "url")]
    from: Option<String>,
    /// What the request is for, such as http://catalog-west.shop/
    #[arg(long, requires = "from")]
    url: Option<String>,
    #[command(flatten)]
    peer: PeerArgs,
    #[command(flatten)]
    target: Target,
    /// How to print what was found
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

pub(super) async fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let here = Look::from(args.target.side().await?).await?;
    let there = match args.peer.target(&args.target) {
        Some(target) => Some(Look::from(target.side().await.context("the peer's side")?).await?),
        None => None,
    };
    let mut report = Report::default();
    let walked = walk(args, &here, there.as_ref(), &mut report).await?;
    let report = report.finish(walked);
    let colours = super::progress(args.output);
    output::print_one(args.output, &report, |report| report.text(|sgr, text| colours.paint(sgr, text)))?;
    Ok(if report.success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One side, and what it says of itself.
struct Look {
    side: Side,
    facts: Facts,
}

impl Look {
    async fn from(side: Side) -> anyhow::Result<Self> {
        Ok(Self { facts: Facts::read(&side).await?, side })
    }

    fn bundle(&self) -> Option<&BundleStatus> {
        self.facts.own.as_ref()?.status.as_ref()?.bundle.as_ref()
    }

    /// The bundle document of a trust domain, if this side holds one.
    fn document(&self, domain: &str) -> Option<&str> {
        if domain == self.side.trust_domain.as_str() {
            return self.bundle().map(|bundle| bundle.document.as_str());
        }
        let peer = self.facts.peers.iter().find(|peer| peer.spec.trust_domain == domain)?;
        Some(peer.status.as_ref()?.bundle.as_ref()?.document.as_str())
    }
}

/// The outer error: the check itself couldn't be made. The inner: it found a fault.
type Walked = anyhow::Result<Result<(), Stopped>>;

/// Goes on unless there is a fault.
macro_rules! on {
    ($step:expr) => {
        if let Err(stopped) = $step {
            return Ok(Err(stopped));
        }
    };
}

async fn walk(args: &CheckArgs, here: &Look, there: Option<&Look>, report: &mut Report) -> Walked {
    on!(one_side(args.mesh.as_ref(), here, there, report).await?);
    if let Some(there) = there {
        on!(one_side(Some(&here.side.mesh), there, Some(here), report).await?);
    }
    request(args, here, report).await
}

async fn one_side(only: Option<&MeshName>, here: &Look, there: Option<&Look>, report: &mut Report) -> Walked {
    let name = here.side.mesh.as_str();
    report.category(format!("{name}: mesh"));
    on!(report.step("its bundle is published", state::published(name, here.facts.own.as_ref())));
    let Some(own) = &here.facts.own else { return Ok(Ok(())) };
    on!(hub(here, own, report).await?);
    let peers: Vec<&MeshPeer> =
        here.facts.peers.iter().filter(|peer| only.is_none_or(|only| peer.name_any() == only.as_str())).collect();
    if peers.is_empty() {
        report.category(format!("{name}: peers"));
        let whom = only.map_or("any mesh", MeshName::as_str);
        let fault = Fault::new(
            format!("{name} isn't joined with {whom}"),
            "`isthmus federation invite` on one side, `isthmus federation join` on the other",
        );
        on!(report.step("there is a peer", Err(fault)));
    }
    for peer in peers {
        let there = there.filter(|there| there.side.mesh.as_str() == peer.name_any());
        on!(one_peer(here, there, peer, report).await?);
    }
    Ok(Ok(()))
}

async fn hub(here: &Look, own: &Mesh, report: &mut Report) -> Walked {
    let name = here.side.mesh.as_str();
    report.category(format!("{name}: hub"));
    let named = own.spec.hub.as_ref().ok_or_else(|| {
        Fault::new(
            format!("Mesh {name} names no hub"),
            "set spec.hub: `isthmus federation join` does it on the side that joins",
        )
    });
    on!(report.step("a hub is named", named.map(|hub| hub.address.clone())));
    let Some(hub) = &own.spec.hub else { return Ok(Ok(())) };
    let domain = hub.identity.trim_start_matches("spiffe://").split('/').next().unwrap_or_default();
    match here.document(domain) {
        Some(document) => {
            let (dial, steps) = far::hub(hub, document);
            let post = Post::find(&here.side, &here.side.namespace, CONTROLLER.0, CONTROLLER.1).await?;
            on!(steps.record(report, post.look(&Probe::Dial(dial)).await?));
        }
        None => report.warn(
            "the hub is who it should be",
            Fault::new(
                format!("this side holds no bundle of {domain}, the hub's trust domain, outside the controller"),
                "the controller pins it by the invitation; nothing is to be done",
            ),
        ),
    }
    Ok(report.step("the session is open", state::session(own)))
}

async fn one_peer(here: &Look, there: Option<&Look>, peer: &MeshPeer, report: &mut Report) -> Walked {
    let name = peer.name_any();
    report.category(format!("{}: peer {name}", here.side.mesh));
    on!(report.step("both sides agree, and it is heard of", state::connected(peer)));
    on!(report.step("its clock agrees with this side's", state::clocks(peer)));
    on!(report.step("its bundle is held by every proxy", state::trusted(peer, there.and_then(Look::bundle))));
    on!(report.step("it holds our bundle", state::acknowledged(peer, here.bundle())));
    let imports: Vec<_> = here.facts.imports_from(&name).collect();
    if imports.is_empty() {
        let remedy = format!("apply an ImportedService with from.mesh: {name} to use one of its services");
        report.warn("its gateways can be reached", Fault::new(format!("nothing is imported from {name}"), remedy));
        return Ok(Ok(()));
    }
    on!(report.step("its catalog is fresh", state::fresh(peer)));
    if let Some(there) = there {
        on!(report.step("its gateways are where it says", state::gateways(peer, &there.facts.public)));
    }
    if let Some(found) = state::named(peer) {
        on!(report.step("its gateways' names are known", found));
    }
    let post = Post::find(&here.side, &here.side.namespace, CONTROLLER.0, CONTROLLER.1).await?;
    for (import_name, import) in imports {
        on!(report.step(&format!("import {import_name} can be called"), state::imported(import)));
        let catalogs = import.status.iter().flat_map(|status| &status.catalog);
        let Some(document) = here.document(&peer.spec.trust_domain) else { continue };
        for catalog in catalogs {
            for gateway in here.gateways(catalog.gateways.as_slice()) {
                let Some((dial, steps)) = far::endpoint(import, catalog, gateway, document) else { continue };
                on!(steps.record(report, post.look(&Probe::Dial(dial)).await?));
            }
        }
    }
    Ok(Ok(()))
}

impl Look {
    /// Where callers of this side are sent: to its own gateways if they go out through those, else to the peer's.
    fn gateways<'a>(&'a self, theirs: &'a [String]) -> &'a [String] {
        let through_own = self.facts.own.as_ref().is_some_and(|own| own.spec.egress == Some(true));
        if through_own { &self.facts.gateways } else { theirs }
    }
}

async fn request(args: &CheckArgs, here: &Look, report: &mut Report) -> Walked {
    report.category(format!("{}: one real request", here.side.mesh));
    let (Some(from), Some(url)) = (&args.from, &args.url) else {
        let remedy = "give --from NAMESPACE/POD and --url to send one request in that pod's name";
        report.warn(
            "a request is answered",
            Fault::new("none was sent: nobody has said from where, and what for", remedy),
        );
        return Ok(Ok(()));
    };
    let (namespace, pod) = from.split_once('/').with_context(|| format!("--from {from:?}: must be NAMESPACE/POD"))?;
    let post = Post::of(&here.side, namespace, pod, PROXY_CONTAINER);
    let seen = post.look(&Probe::Request(Request { proxy: SocketAddr::from(SIDECAR), url: url.clone() })).await?;
    for step in seen.steps {
        let (description, remedy) = match step.kind {
            Kind::Answer => {
                ("a request is answered", "docs/life-of-a-request.md says what each code means, and whom to ask")
            }
            _ => ("the sidecar takes it", "is the pod in the mesh, and its sidecar ready?"),
        };
        on!(report.step(description, step.found.map_err(|why| Fault::new(format!("{url}: {why}"), remedy))));
    }
    Ok(Ok(()))
}
