//! What the demo shows: each step applies a file, sends real requests, and judges what it saw.

use std::time::{Duration, Instant};

use anyhow::Context;
use kube::ResourceExt;
use serde::Serialize;
use serde_json::{Value, json};

use super::metrics;
use super::shop::{
    AB_BY_HEADER, Answer, BIND_IDENTITY, CANARY, CANARY_HALF, Example, OPEN_CATALOG, OPEN_ORDERS, OPEN_STORE, Shop,
};

/// The longest that a change may take from apply to `Programmed`.
const PROMPT: Duration = Duration::from_secs(1);

/// One promise and what became of it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    pub(super) promise: &'static str,
    pub(super) asked: String,
    pub(super) seen: String,
    pub(super) as_asked: bool,
}

/// What a step has seen.
pub(super) struct Verdict {
    pub(super) asked: String,
    pub(super) seen: String,
    pub(super) as_asked: bool,
}

impl Row {
    /// What became of a promise; a failure on the way isn't as asked.
    pub(super) fn of(promise: &'static str, done: anyhow::Result<Verdict>) -> Self {
        let failed = |error| Verdict { asked: "an answer".into(), seen: format!("{error:#}"), as_asked: false };
        let Verdict { asked, seen, as_asked } = done.unwrap_or_else(failed);
        Self { promise, asked, seen, as_asked }
    }
}

impl Verdict {
    /// Of what was seen and what was asked for, in the same words.
    pub(super) fn equal(asked: impl Into<String>, seen: impl Into<String>) -> Self {
        let (asked, seen) = (asked.into(), seen.into());
        Self { as_asked: asked == seen, asked, seen }
    }
}

/// A step: its promise, the files that it applies, and what it does.
pub(super) struct Step {
    pub(super) promise: &'static str,
    pub(super) applies: &'static [&'static Example],
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    DenyByDefault,
    OnePath,
    OneIdentity,
    CallerSeen,
    Canary,
    Shares,
    ChangedWeight,
    AbByHeader,
    TcpDenied,
    TcpAllowed,
    Binding,
    Revocation,
}

/// All steps, in order: later ones stand on what earlier ones have applied.
pub(super) const STEPS: [Step; 12] = [
    Step { promise: "deny by default", applies: &[], kind: Kind::DenyByDefault },
    Step { promise: "TrafficTarget: one path and method", applies: &[&OPEN_CATALOG], kind: Kind::OnePath },
    Step { promise: "TrafficTarget: to one identity", applies: &[], kind: Kind::OneIdentity },
    Step { promise: "the callee sees the caller's SPIFFE ID", applies: &[], kind: Kind::CallerSeen },
    Step { promise: "canary 90/10, 100 requests", applies: &[&CANARY], kind: Kind::Canary },
    Step { promise: "TrafficMetrics: the canary's shares", applies: &[], kind: Kind::Shares },
    Step { promise: "a changed weight takes effect", applies: &[&CANARY_HALF], kind: Kind::ChangedWeight },
    Step { promise: "A/B by header, 20 requests each", applies: &[&AB_BY_HEADER], kind: Kind::AbByHeader },
    Step { promise: "TCP is denied by default", applies: &[&OPEN_ORDERS], kind: Kind::TcpDenied },
    Step { promise: "TCP is allowed by TCPRoute", applies: &[&OPEN_STORE], kind: Kind::TcpAllowed },
    Step { promise: "a source named by IdentityBinding", applies: &[&BIND_IDENTITY], kind: Kind::Binding },
    Step { promise: "a revoked grant closes its connections", applies: &[], kind: Kind::Revocation },
];

impl Step {
    /// Does it. A failure on the way is a row that isn't as asked.
    pub(super) async fn run(&self, shop: &mut Shop) -> Row {
        let done = async {
            let begun = Instant::now();
            let mut applied = Vec::new();
            for example in self.applies {
                applied.extend(shop.apply(example).await?);
            }
            self.kind.judge(shop, begun.elapsed()).await
        };
        Row::of(self.promise, done.await)
    }
}

impl Kind {
    /// Sends the requests; `programmed` is the time that the step's files took from apply to `Programmed`.
    async fn judge(self, shop: &mut Shop, programmed: Duration) -> anyhow::Result<Verdict> {
        match self {
            Self::DenyByDefault => {
                let seen = catalog(shop, "web", "GET", "/items").await?;
                Ok(Verdict::equal("GET /items 403 no-grant", format!("GET /items {}", seen.brief())))
            }
            Self::OnePath => {
                let read = catalog(shop, "web", "GET", "/items").await?;
                let write = catalog(shop, "web", "POST", "/items").await?;
                let admin = catalog(shop, "web", "GET", "/admin").await?;
                let seen = format!("GET /items {}, POST {}, /admin {}", read.brief(), write.brief(), admin.brief());
                Ok(Verdict::equal("GET /items 200, POST 403 route, /admin 403 route", seen))
            }
            Self::OneIdentity => {
                let (web, batch) =
                    (catalog(shop, "web", "GET", "/items").await?, catalog(shop, "batch", "GET", "/items").await?);
                Ok(Verdict::equal(
                    "web 200, batch 403 no-grant",
                    format!("web {}, batch {}", web.brief(), batch.brief()),
                ))
            }
            Self::CallerSeen => {
                let seen = catalog(shop, "web", "GET", "/items").await?;
                Ok(Verdict::equal("spiffe://isthmus.local/ns/shop/sa/web", seen.field("caller")))
            }
            Self::Canary => {
                let (v1, v2) = shop.versions(100, json!({})).await?;
                Ok(Verdict::equal("90 to v1, 10 to v2", format!("{v1} to v1, {v2} to v2")))
            }
            Self::Shares => {
                let seen = metrics::shares(shop, "catalog", 100.0).await?;
                Ok(Verdict::equal("catalog-v1 90, catalog-v2 10, all well", seen))
            }
            Self::ChangedWeight => {
                let (v1, v2) = shop.versions(100, json!({})).await?;
                Ok(Verdict {
                    asked: format!("50 to v1, 50 to v2, within {} ms", PROMPT.as_millis()),
                    seen: format!("{v1} to v1, {v2} to v2, in {} ms", programmed.as_millis()),
                    as_asked: (v1, v2) == (50, 50) && programmed <= PROMPT,
                })
            }
            Self::AbByHeader => {
                let with = shop.versions(20, json!({ "x-beta": "yes" })).await?;
                let without = shop.versions(20, json!({})).await?;
                let seen = format!("with it {}/{}, without {}/{}", with.0, with.1, without.0, without.1);
                Ok(Verdict::equal("with it 0/20, without 20/0", seen))
            }
            Self::TcpDenied => {
                let seen = order(shop).await?;
                let closed = seen.field("error").contains("closed") || seen.field("error").contains("reset");
                let text =
                    if closed { "connection closed".to_owned() } else { format!("{} {}", seen.brief(), seen.body) };
                Ok(Verdict::equal("connection closed", text))
            }
            Self::TcpAllowed => {
                let (first, second) = (order(shop).await?, order(shop).await?);
                let seen = format!("orders {} and {}", first.field("orders"), second.field("orders"));
                Ok(Verdict::equal("orders 1 and 2", seen))
            }
            Self::Binding => {
                let (batch, web) =
                    (catalog(shop, "batch", "GET", "/admin").await?, catalog(shop, "web", "GET", "/admin").await?);
                let seen = format!("/admin: batch {}, web {}", batch.brief(), web.brief());
                Ok(Verdict::equal("/admin: batch 200, web 403 route", seen))
            }
            Self::Revocation => revocation(shop).await,
        }
    }
}

async fn catalog(shop: &Shop, from: &str, method: &str, path: &str) -> anyhow::Result<Answer> {
    shop.ask(from, method, &format!("http://catalog{path}"), json!({})).await
}

async fn order(shop: &Shop) -> anyhow::Result<Answer> {
    shop.ask("web", "POST", "http://orders/orders", json!({})).await
}

/// Holds a connection of orders to the store, and deletes the TrafficTarget that it stands on.
async fn revocation(shop: &mut Shop) -> anyhow::Result<Verdict> {
    let session = shop.tell("orders", "POST", "/sessions", &json!({ "address": "store:6380" })).await?;
    let id = session.get("id").and_then(Value::as_u64).with_context(|| format!("no session: {session}"))?;
    let objects = shop.apply(&OPEN_STORE).await?;
    let target = objects.iter().find(|o| o.name_any() == "orders-keep-in-store").context("no target")?;
    let begun = Instant::now();
    shop.delete(target).await?;
    let end = shop.tell("orders", "GET", &format!("/sessions/{id}"), &Value::Null).await?;
    let took = begun.elapsed();
    let open = end.get("open").and_then(Value::as_bool).unwrap_or(true);
    Ok(Verdict {
        asked: format!("closed within {} ms", PROMPT.as_millis()),
        seen: if open { "still open".into() } else { format!("closed in {} ms", took.as_millis()) },
        as_asked: !open && took <= PROMPT,
    })
}
