//! What the gateway wants of the controller: the roots, and what it may relay.

use std::{
    convert::Infallible,
    future::pending,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use isthmus_api::{
    control::v1::{
        ControllerMessage, Subscribe, controller_message::Content, proxy_message::Message, resource_key::Kind,
    },
    encode, gateway,
};
use isthmus_core::{federation::Token, gateway::Routes};
use isthmus_identity::Bundle;
use isthmus_proxy::control::{Subscriber, Verdict, read_bundle};
use isthmus_runtime::readiness;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::{saved, worker::Command};

/// What is held, for the admin server too. Never locked across an await.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held(Arc<Mutex<Versions>>);

#[derive(Debug, Default)]
struct Versions {
    bundles: Option<String>,
    routes: Option<(String, Arc<Routes>)>,
}

/// The gateway's subscriptions, and the workers that use them.
pub(crate) struct Subscriptions {
    workers: Vec<mpsc::Sender<Command>>,
    /// Until the routes have come.
    routes: Option<readiness::Pending>,
    held: Held,
    file: Option<PathBuf>,
    /// Connections cut since that was told.
    cut: u32,
}

/// A new content, to be applied everywhere before it is held.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    Bundles(Vec<Bundle>),
    Routes(Arc<Routes>),
}

impl Held {
    fn with<T>(&self, act: impl FnOnce(&mut Versions) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn to_json(&self) -> Result<String, serde_json::Error> {
        let shown = self.with(|held| {
            json!({
                "bundles": { "version": held.bundles },
                "routes": held.routes.as_ref().map(|(version, routes)| shown(version, routes)),
            })
        });
        serde_json::to_string_pretty(&shown)
    }
}

fn shown(version: &str, routes: &Routes) -> Value {
    let mut exported: Vec<_> = routes
        .exported
        .iter()
        .map(|((service, port), targets)| {
            let targets: Vec<_> =
                targets.iter().map(|t| json!({ "token": t.token.as_str(), "addr": t.addr })).collect();
            (format!("{service}:{port}"), targets)
        })
        .collect();
    exported.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut peers: Vec<_> = routes
        .peers
        .iter()
        .flat_map(|(mesh, ways)| ways.iter().map(move |way| (mesh, way)))
        .map(|(mesh, egress)| {
            let mut services: Vec<_> =
                egress.services.iter().map(|(service, port)| format!("{service}:{port}")).collect();
            services.sort();
            let mut tokens: Vec<_> = egress.tokens.iter().map(Token::as_str).collect();
            tokens.sort_unstable();
            json!({ "mesh": mesh.as_str(), "gateways": egress.gateways, "services": services, "tokens": tokens })
        })
        .collect();
    peers.sort_by_key(|peer| peer["mesh"].to_string());
    let exported: Vec<_> =
        exported.into_iter().map(|(service, targets)| json!({ "service": service, "targets": targets })).collect();
    json!({ "version": version, "mesh": routes.mesh.as_str(), "exported": exported, "peers": peers })
}

impl Subscriptions {
    /// Begins with the saved routes, if there are any.
    pub(crate) async fn begin(
        workers: Vec<mpsc::Sender<Command>>,
        routes: readiness::Pending,
        held: Held,
        file: Option<PathBuf>,
    ) -> Self {
        let saved = file.as_deref().and_then(saved::read);
        let mut subscriptions = Self { workers, routes: Some(routes), held, file, cut: 0 };
        if let Some(routes) = saved {
            subscriptions.everywhere(&Arc::new(routes)).await;
        }
        subscriptions
    }

    /// Has every worker take routes over.
    async fn everywhere(&mut self, routes: &Arc<Routes>) {
        let mut answers = Vec::with_capacity(self.workers.len());
        for worker in &self.workers {
            let (done, answer) = oneshot::channel();
            // A worker that is gone has nothing to apply; its end stops the process.
            if worker.send((Arc::clone(routes), done)).await.is_ok() {
                answers.push(answer);
            }
        }
        let cut = futures::future::join_all(answers).await.into_iter().flatten();
        self.cut = cut.fold(self.cut, u32::saturating_add);
        self.routes = None;
    }
}

impl Subscriber for Subscriptions {
    type Change = Change;
    type Wish = Infallible;

    fn all(&self) -> Vec<Subscribe> {
        let (bundles, routes) =
            self.held.with(|held| (held.bundles.clone(), held.routes.as_ref().map(|(version, _)| version.clone())));
        [(encode::bundles_key(), bundles), (encode::gateway_key(), routes)]
            .map(|(key, held)| Subscribe { key: Some(key), held: held.unwrap_or_default() })
            .into()
    }

    fn judge(&self, message: ControllerMessage) -> Verdict<Change> {
        let kind = message.key.and_then(|key| key.kind);
        match (kind, message.content) {
            (Some(Kind::Bundles(_) | Kind::Gateway(_)), Some(Content::Unchanged(_))) => Verdict::Held,
            (Some(Kind::Bundles(_)), Some(Content::Bundles(bundles))) => {
                match bundles.bundles.into_iter().map(read_bundle).collect() {
                    Ok(bundles) => Verdict::Apply(Change::Bundles(bundles)),
                    Err(error) => Verdict::Refuse(error.to_string()),
                }
            }
            (Some(Kind::Gateway(_)), Some(Content::Gateway(routes))) => match gateway::decode(routes) {
                Ok(routes) => Verdict::Apply(Change::Routes(Arc::new(routes))),
                Err(error) => Verdict::Refuse(error.to_string()),
            },
            (Some(Kind::Bundles(_) | Kind::Gateway(_)), _) => {
                Verdict::Refuse("the content doesn't belong to the key".into())
            }
            _ => Verdict::Stray,
        }
    }

    fn bundles(change: &Change) -> Option<&[Bundle]> {
        match change {
            Change::Bundles(bundles) => Some(bundles),
            Change::Routes(_) => None,
        }
    }

    /// Roots matter to the session alone: the gateway ends no TLS of others.
    async fn apply(&mut self, change: &Change) {
        let Change::Routes(routes) = change else { return };
        self.everywhere(routes).await;
        if let Some(path) = &self.file {
            saved::keep(path, routes).await;
        }
    }

    fn take_cut(&mut self) -> u32 {
        std::mem::take(&mut self.cut)
    }

    fn hold(&mut self, change: Change, version: String) {
        self.held.with(|held| match change {
            Change::Bundles(_) => held.bundles = Some(version),
            Change::Routes(routes) => held.routes = Some((version, routes)),
        });
    }

    async fn wish(&mut self) -> Infallible {
        pending().await
    }

    fn note(&mut self, wish: Infallible) {
        match wish {}
    }

    async fn fulfil(&mut self, wish: Infallible) -> Vec<Message> {
        match wish {}
    }
}
