//! `isthmus edges`: who calls whom, and how that goes, as each side has measured it.

use std::{collections::BTreeMap, process::ExitCode};

use clap::Args;
use serde::Serialize;

use super::{
    api::{Ref, Sample, Side},
    figures::{self, Figures, Measured},
    gather::gather,
    kinds::{self, Resource},
    target::{Place, Target},
    watch::{Screen, WatchArgs},
};
use crate::{args::Output, output::Column, stdout};

#[derive(Debug, Args)]
pub(crate) struct EdgesArgs {
    /// What to look at
    #[arg(default_value = kinds::DEFAULT, value_parser = kinds::parser(), ignore_case = true)]
    resource: &'static Resource,
    /// Only the edges of this one [default: of each]
    name: Option<String>,
    #[command(flatten)]
    target: Target,
    /// Only what was measured there
    #[arg(long)]
    side: Option<Side>,
    #[command(flatten)]
    watch: WatchArgs,
    /// How to print it
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

/// What one look has shown.
#[derive(Debug, Serialize)]
struct Page {
    edges: Vec<Row>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Row {
    from: Ref,
    to: Ref,
    /// Of a split's edge, where it was sent on to.
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<String>,
    /// Where it was measured.
    side: Side,
    #[serde(flatten)]
    figures: Figures,
}

pub(super) async fn run(args: &EdgesArgs) -> anyhow::Result<ExitCode> {
    let place = args.target.place(args.side).await?;
    let screen = Screen::of(&args.watch, args.output);
    let page = async || {
        let page = look(args, &place).await?;
        screen.draw(&page, |page| {
            if page.edges.is_empty() {
                return args.target.nothing("edges", args.resource, &place.scope);
            }
            page.table(screen.colour())
        })
    };
    if args.watch.watch {
        return screen.keep(args.watch.interval, page).await;
    }
    stdout::say(&page().await?)?;
    Ok(ExitCode::SUCCESS)
}

async fn look(args: &EdgesArgs, place: &Place) -> anyhow::Result<Page> {
    Ok(Page::of(gather(place, args.resource, args.name.as_deref()).await?.edges))
}

impl Page {
    /// Each edge once for each side, in the order of their ends.
    fn of(samples: Vec<Sample>) -> Self {
        let mut rows = BTreeMap::new();
        for sample in samples.iter().filter(|s| s.golden.requests() > 0.0) {
            let (from, to) = sample.ends();
            let backend = sample.backend.as_ref().map(|backend| backend.name.clone());
            let key = (from.clone(), to.clone(), backend, sample.edge.side);
            rows.entry(key).or_insert_with(|| Figures::from(&sample.golden));
        }
        let row = |((from, to, backend, side), figures)| Row { from, to, backend, side, figures };
        Self { edges: rows.into_iter().map(row).collect() }
    }

    fn table(&self, colour: bool) -> String {
        let mut columns: Vec<Column<Row>> = vec![("FROM", |r| r.from.to_string()), ("TO", |r| r.to.to_string())];
        if self.edges.iter().any(|r| r.backend.is_some()) {
            columns.push(("BACKEND", |r| r.backend.clone().unwrap_or_default()));
        }
        columns.push(("SEEN BY", |r| if r.side == Side::Client { "caller".into() } else { "callee".into() }));
        figures::table(&self.edges, columns, colour)
    }
}

impl Measured for Row {
    fn figures(&self) -> Option<&Figures> {
        Some(&self.figures)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::views::api::{Edge, Golden};

    fn named(name: &str, mesh: Option<&str>) -> Ref {
        let mesh = mesh.map(str::to_owned);
        Ref { namespace: "shop".into(), name: name.into(), kind: "Deployment".into(), mesh }
    }

    fn sample(resource: &Ref, inbound: bool, peer: &Ref, successes: f64) -> Sample {
        let side = if inbound { Side::Server } else { Side::Client };
        Sample {
            resource: resource.clone(),
            edge: Edge { inbound, side, peer: peer.clone() },
            backend: None,
            golden: Golden {
                window: Duration::from_secs(10),
                successes,
                p50: 1.0,
                p90: 2.0,
                p99: 3.0,
                ..Golden::default()
            },
        }
    }

    #[test]
    fn both_directions_and_both_meshes_are_shown_and_each_once() {
        let (web, catalog, far) = (named("web", None), named("catalog", None), named("catalog", Some("east")));
        let page = Page::of(vec![
            sample(&web, false, &catalog, 20.0),
            sample(&catalog, true, &web, 20.0),
            sample(&web, false, &catalog, 20.0),
            sample(&web, false, &far, 5.0),
            sample(&web, true, &Ref::default(), 1.0),
            sample(&web, false, &web, 0.0),
        ]);
        let table = "\
FROM        TO                   SEEN BY   SUCCESS   RPS      P50       P90       P99
(unknown)   shop/web             callee    100.00%   0.10/s   1.00 ms   2.00 ms   3.00 ms
shop/web    shop/catalog         caller    100.00%   2.00/s   1.00 ms   2.00 ms   3.00 ms
shop/web    shop/catalog         callee    100.00%   2.00/s   1.00 ms   2.00 ms   3.00 ms
shop/web    east: shop/catalog   caller    100.00%   0.50/s   1.00 ms   2.00 ms   3.00 ms
";
        assert_eq!(page.table(false), table);
    }
}
