//! What the demo shows of two meshes: each step applies files in one or the other, sends real requests, and judges what it saw.

use std::future::Future;

use anyhow::Context;
use isthmus_core::{
    federation::RemoteName,
    id::{ObjectName, SpiffeId},
};

use super::{
    forgery,
    pair::{Pair, Which},
    shop::{Answer, Example, NAMESPACE},
    steps::{Row, Verdict},
};
use crate::{federation::revoke, local::mesh, progress::Progress};

example!(EXPORT, "federation/west/10-export-catalog.yaml");
example!(IMPORT, "federation/east/10-import-catalog.yaml");
example!(LET_IN, "federation/west/20-let-east-web-in.yaml");
example!(CANARY, "federation/east/30-canary-to-west.yaml");
example!(EXPORT_BACK, "federation/east/40-export-catalog.yaml");
example!(FAIL_OVER, "federation/west/40-fail-over-to-east.yaml");

/// West's catalog, as east knows it.
const CATALOG: &str = "http://catalog-west/items";

pub(super) struct Step {
    pub(super) promise: &'static str,
    pub(super) applies: &'static [(Which, &'static Example)],
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Joined,
    CallerSeen,
    OneIdentity,
    Forged,
    Canary,
    Failover,
    HubAway,
    Revoked,
}

/// All steps, in order: later ones stand on what earlier ones have done.
pub(super) const STEPS: [Step; 8] = [
    Step { promise: "two meshes are joined by an invitation", applies: &[], kind: Kind::Joined },
    Step {
        promise: "across meshes: the caller's SPIFFE ID",
        applies: &[(Which::West, &EXPORT), (Which::West, &LET_IN), (Which::East, &IMPORT)],
        kind: Kind::CallerSeen,
    },
    Step { promise: "across meshes: to one identity", applies: &[], kind: Kind::OneIdentity },
    Step { promise: "an identity forged by the other root", applies: &[], kind: Kind::Forged },
    Step { promise: "canary across meshes, 100 requests", applies: &[(Which::East, &CANARY)], kind: Kind::Canary },
    Step {
        promise: "a callee is killed: failover and back",
        applies: &[(Which::East, &EXPORT_BACK), (Which::West, &FAIL_OVER)],
        kind: Kind::Failover,
    },
    Step { promise: "the hub is away, traffic goes on", applies: &[], kind: Kind::HubAway },
    Step { promise: "a mesh is revoked", applies: &[], kind: Kind::Revoked },
];

impl Step {
    /// Does it. A failure on the way is a row that isn't as asked.
    pub(super) async fn run(&self, pair: &mut Pair) -> Row {
        let done = async {
            for (which, example) in self.applies {
                pair.apply(*which, example).await?;
            }
            self.kind.judge(pair).await
        };
        Row::of(self.promise, done.await)
    }
}

impl Kind {
    async fn judge(self, pair: &Pair) -> anyhow::Result<Verdict> {
        match self {
            Self::Joined => {
                let joined = pair.join().await?;
                let trusted = format!("{} joined with {}, trusted by", joined.mesh, joined.peer);
                let count = joined.proxies();
                Ok(Verdict::equal(
                    format!("{trusted} {count}/{count} proxies"),
                    format!("{trusted} {} proxies", joined.trust_propagated),
                ))
            }
            Self::CallerSeen => {
                pair.east.fresh("catalog-west").await?;
                let seen = pair.east.ask("web", CATALOG).await?;
                let seen = format!("{} answers {}", seen.field("version"), seen.field("caller"));
                Ok(Verdict::equal("west answers spiffe://east.local/ns/shop/sa/web", seen))
            }
            Self::OneIdentity => {
                let (web, batch) = (pair.east.ask("web", CATALOG).await?, pair.east.ask("batch", CATALOG).await?);
                Ok(Verdict::equal(
                    "web 200, batch 403 no-grant",
                    format!("web {}, batch {}", web.brief(), batch.brief()),
                ))
            }
            Self::Forged => forged(pair).await,
            Self::Canary => {
                let (mut east, mut west) = (0, 0);
                for _ in 0..100 {
                    match pair.east.ask("web", "http://catalog/items").await?.field("version") {
                        "east" => east += 1,
                        "west" => west += 1,
                        _ => {}
                    }
                }
                Ok(Verdict::equal("80 to east, 20 to west", format!("{east} to east, {west} to west")))
            }
            Self::Failover => failover(pair).await,
            Self::HubAway => hub_away(pair).await,
            Self::Revoked => revoked(pair).await,
        }
    }
}

/// The ID of west's web, which west's catalog lets in, by the root of each.
async fn forged(pair: &Pair) -> anyhow::Result<Verdict> {
    let id =
        |name: &str| format!("spiffe://{}/ns/{NAMESPACE}/sa/{name}", pair.west.side.trust_domain).parse::<SpiffeId>();
    let (web, catalog) = (id("web")?, id("catalog")?);
    let service = ObjectName::new(NAMESPACE, "catalog");
    let name = RemoteName { token: None, port: 80, service, mesh: pair.west.side.mesh.clone() };
    let west = &pair.west.side.client;
    let mut seen = Vec::new();
    for signer in [&pair.west.side, &pair.east.side] {
        let svid = forgery::sign(&signer.client, &web).await?;
        let answer = forgery::ask(west, &name, catalog.clone(), svid, "/items").await?;
        seen.push(format!("by {}'s root {answer}", signer.mesh));
    }
    Ok(Verdict::equal("by west's root 200, by east's root refused", seen.join(", ")))
}

/// Requests of west's web to west's own catalog, while that goes and comes back.
async fn failover(pair: &Pair) -> anyhow::Result<Verdict> {
    pair.west.fresh("catalog-east").await?;
    let mut all = Vec::new();
    let mut who = Vec::new();
    for replicas in [0, 1] {
        all.extend(while_asking(pair, pair.west.scale(NAMESPACE, "catalog", replicas)).await?);
        // Whoever is sent to the other side goes back when this one is known to serve.
        let expected = if replicas == 0 { "east" } else { "west" };
        let mut last = String::new();
        for _ in 0..MOST_ASKED {
            let answer = pair.west.ask("web", "http://catalog/items").await?;
            last = answer.field("version").to_owned();
            all.push(answer);
            if last == expected {
                break;
            }
        }
        who.push(last);
    }
    let failed = all.iter().filter(|answer| answer.status != 200).count();
    Ok(Verdict {
        asked: "east answers, then west again, 0 failed".into(),
        seen: format!(
            "{} answers, then {} again, {failed} failed of {}",
            who.first().map_or("nobody", String::as_str),
            who.last().map_or("nobody", String::as_str),
            all.len()
        ),
        as_asked: who == ["east", "west"] && failed == 0,
    })
}

/// Most requests until the way back is taken; they are sent one after the other.
const MOST_ASKED: usize = 5000;

/// Asks west's catalog by west's web, until the work is done.
async fn while_asking(pair: &Pair, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<Vec<Answer>> {
    tokio::pin!(work);
    let mut answers = Vec::new();
    loop {
        let ask = pair.west.ask("web", "http://catalog/items");
        tokio::pin!(ask);
        let done = tokio::select! {
            biased;
            done = work.as_mut() => Some(done),
            answer = ask.as_mut() => { answers.push(answer?); None }
        };
        if let Some(done) = done {
            // The request on its way is one of the load too.
            answers.push(ask.await?);
            return done.map(|()| answers);
        }
    }
}

/// 100 requests from east to west, with no hub.
async fn hub_away(pair: &Pair) -> anyhow::Result<Verdict> {
    pair.east.scale(mesh::NAMESPACE, "isthmus-hub", 0).await?;
    pair.west.hub_is(false).await?;
    let mut failed = 0;
    for _ in 0..100 {
        failed += usize::from(pair.east.ask("web", CATALOG).await?.status != 200);
    }
    pair.east.scale(mesh::NAMESPACE, "isthmus-hub", 1).await?;
    pair.west.hub_is(true).await?;
    Ok(Verdict::equal("0 of 100 failed, connected again", format!("{failed} of 100 failed, connected again")))
}

/// West throws east out, and shows the receipt.
async fn revoked(pair: &Pair) -> anyhow::Result<Verdict> {
    let before = pair.east.ask("web", CATALOG).await?;
    let receipt = revoke::revoke(&pair.west.side, &pair.east.side.mesh, &Progress::silent()).await?;
    let after = pair.east.ask("web", CATALOG).await?;
    let counted = receipt.counted.context("no receipt")?;
    let gone = after.status != 200;
    Ok(Verdict {
        asked: format!("{0}/{0} proxies confirm, access gone", counted.proxies),
        seen: format!(
            "{}/{} proxies confirmed, {} connections cut, {} ms; access {}",
            counted.confirmed,
            counted.proxies,
            counted.connections_cut,
            counted.milliseconds,
            if gone { "gone" } else { "NOT gone" }
        ),
        as_asked: before.status == 200 && gone && receipt.is_complete(),
    })
}
