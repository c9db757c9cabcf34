//! A case under way: its programs, the ways to them, and what was applied.

use std::{collections::BTreeMap, time::Duration};

use futures::future::try_join_all;
use serde_json::{Value, json};

use super::Options;
use crate::{
    Error,
    case::{App, Case, Check, Protocol},
    door::Door,
    judge::Seen,
    kube_api::{Applied, Cluster, InEffect},
    manifest,
    meshes::{Meshes, Side, Words},
    profile::Profile,
    report::{Asked, Failure},
    versions,
};

pub(super) struct Scene<'a> {
    meshes: &'a Meshes,
    pub(super) profile: &'a Profile,
    case: &'a Case,
    options: &'a Options,
    words: Words<'a>,
    /// By program, one for each of its pods.
    doors: BTreeMap<String, Vec<Door>>,
    /// What the case has applied of the meshes', by side and `<Kind>/<name>`.
    pub(super) applied: BTreeMap<(Side, String), Applied>,
    /// The connections that stay: their program, and its number for them.
    pub(super) held: BTreeMap<String, (String, u64)>,
    /// Has the mesh left an object without any condition, for all the time that it had? It isn't waited for again.
    untold: bool,
    /// Is what was applied known to be in effect? Then what it refuses has to be refused at once.
    pub(super) settled: bool,
}

impl<'a> Scene<'a> {
    pub(super) fn new(meshes: &'a Meshes, profile: &'a Profile, case: &'a Case, options: &'a Options) -> Self {
        Self {
            words: Words { namespace: manifest::namespace(&options.run, case), parties: &meshes.parties },
            meshes,
            profile,
            case,
            options,
            doors: BTreeMap::new(),
            applied: BTreeMap::new(),
            held: BTreeMap::new(),
            untold: false,
            settled: false,
        }
    }

    pub(super) fn on(&self, side: Side) -> Result<Cluster, Error> {
        self.meshes.cluster(side)
    }

    pub(super) fn timeout(&self) -> Duration {
        self.options.timeout
    }

    /// Makes namespaces and programs, and waits until they can be spoken to.
    pub(super) async fn set_up(&mut self) -> Result<(), Error> {
        let mut before = None;
        for side in self.case.sides() {
            let cluster = self.on(side)?;
            for namespace in manifest::namespaces(self.case, self.profile, &self.options.run) {
                cluster.apply(&namespace).await?;
            }
            let objects = manifest::objects(self.case, self.profile, &self.words, &self.options.image, side);
            before = before.or(self.apply(side, &objects, false).await?);
        }
        let ready = self.case.apps.iter().map(|(name, app)| async {
            Ok::<_, Error>((name.clone(), self.doors_of(name, app, app.replicas as usize).await?))
        });
        self.doors = try_join_all(ready).await?.into_iter().collect();
        if let Some(why) = before.or(self.wait_in_effect().await?) {
            return Err(Error::Unready { what: "the case".to_owned(), seconds: self.timeout().as_secs(), why });
        }
        Ok(())
    }

    /// A document of the case, with its placeholders filled in.
    pub(super) fn filled(&self, value: &Value) -> Value {
        self.words.fill(value)
    }

    /// A check with its placeholders filled in.
    pub(super) fn filled_check(&self, check: &Check) -> Check {
        Check { caller: check.caller.as_ref().map(|caller| self.words.text(caller)), ..check.clone() }
    }

    pub(super) async fn tear_down(&self) -> Result<(), Error> {
        let namespace = &self.words.namespace;
        let others = self.case.namespaces.iter().map(|other| manifest::within(namespace, Some(other)));
        let all: Vec<String> = std::iter::once(namespace.clone()).chain(others).collect();
        let mut deleted = Ok(());
        for side in self.case.sides() {
            deleted = deleted.and(self.on(side)?.delete_namespaces(all.iter().cloned()).await);
        }
        deleted
    }

    /// Applies objects of the case, those of the mesh in versions that it reads. What a version can't say is the inner error.
    /// Where they may be refused, one that is changes nothing.
    pub(super) async fn apply(
        &mut self,
        side: Side,
        objects: &[Value],
        may_be_refused: bool,
    ) -> Result<Option<String>, Error> {
        let cluster = self.on(side)?;
        for object in objects {
            let mut object = manifest::placed(object, &self.words);
            if let Err(why) = versions::rewrite(&mut object, self.profile) {
                return Ok(Some(why));
            }
            let applied = match cluster.apply(&object).await {
                Err(error) if may_be_refused && error.is_refusal() => continue,
                applied => applied?,
            };
            if applied.of_mesh {
                self.applied.insert((side, applied.to_string()), applied);
            }
        }
        Ok(None)
    }

    /// Waits until all that was applied is in effect; or what keeps it from that.
    pub(super) async fn wait_in_effect(&mut self) -> Result<Option<String>, Error> {
        let Some(condition) = self.profile.in_effect.as_ref().filter(|_| !self.untold) else {
            tokio::time::sleep(Duration::from_secs(self.profile.settle_seconds)).await;
            return Ok(None);
        };
        for ((side, _), object) in &self.applied {
            match self.on(*side)?.in_effect(object, condition, self.timeout()).await? {
                InEffect::Settled => {}
                InEffect::Not(why) => return Ok(Some(why)),
                // That is for the cases about statuses to tell: what the others ask for, they find out by asking.
                InEffect::Untold => {
                    self.untold = true;
                    return Ok(None);
                }
            }
        }
        self.settled = true;
        Ok(None)
    }

    /// Gives a program so many pods, and waits for them.
    pub(super) async fn scale(&mut self, name: &str, replicas: u32) -> Result<(), Error> {
        let Some(app) = self.case.apps.get(name) else { return Ok(()) };
        let app = App { replicas, ..app.clone() };
        let only = Case {
            apps: BTreeMap::from([(name.to_owned(), app.clone())]),
            open: false,
            objects: Vec::new(),
            ..self.case.clone()
        };
        let cluster = self.on(app.side())?;
        for object in manifest::objects(&only, self.profile, &self.words, &self.options.image, app.side()) {
            cluster.apply(&object).await?;
        }
        let doors = self.doors_of(name, &app, replicas as usize).await?;
        self.doors.insert(name.to_owned(), doors);
        self.settled = false;
        Ok(())
    }

    async fn doors_of(&self, name: &str, app: &App, count: usize) -> Result<Vec<Door>, Error> {
        let cluster = self.on(app.side())?;
        let namespace = manifest::within(&self.words.namespace, app.namespace.as_deref());
        let pods = cluster.ready_pods(&namespace, name, count).await?;
        let doors: Vec<Door> = pods.into_iter().map(|pod| Door::new(cluster.pods(&namespace), pod)).collect();
        try_join_all(doors.iter().map(Door::open)).await?;
        Ok(doors)
    }

    /// Asks a program of the case; of several pods, the first.
    pub(super) async fn ask(&self, app: &str, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let unknown = || Error::Data { file: format!("case {}", self.case.id), why: format!("{app} has no pod") };
        let door = self.doors.get(app).and_then(|doors| doors.first()).ok_or_else(unknown)?;
        door.ask(method, path, body).await
    }

    /// Sends the requests of all checks; what came, in their order.
    pub(super) async fn send(&self, checks: &[Check]) -> Result<Vec<Vec<Seen>>, Error> {
        let mut all: Vec<Vec<Seen>> = vec![Vec::new(); checks.len()];
        let mut senders: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, check) in checks.iter().enumerate() {
            senders.entry(&check.from).or_default().push(at);
        }
        for (sender, at) in senders {
            let calls: Vec<Value> = at.iter().filter_map(|&at| checks.get(at)).map(|check| self.call(check)).collect();
            let told = self.ask(sender, "POST", "/calls", Some(&json!({ "calls": calls }))).await?;
            let tallies = told.get("tallies").cloned().unwrap_or_default();
            let tallies: Vec<Vec<Seen>> = serde_json::from_value(tallies).map_err(|_| Error::Program {
                pod: sender.to_owned(),
                why: format!("/calls said {told}; is its image that of this version?"),
            })?;
            for (at, tally) in at.into_iter().zip(tallies) {
                if let Some(seen) = all.get_mut(at) {
                    *seen = tally;
                }
            }
        }
        Ok(all)
    }

    fn call(&self, check: &Check) -> Value {
        let address = self.address(check);
        match check.protocol {
            Protocol::Tcp => json!({ "tcp": address, "times": check.times }),
            Protocol::Http | Protocol::Http2 => json!({
                "url": format!("http://{address}{}", check.path),
                "method": check.method,
                "headers": check.headers,
                "http2": check.protocol == Protocol::Http2,
                "times": check.times,
            }),
        }
    }

    /// Where a check's requests go: host and port.
    pub(super) fn address(&self, check: &Check) -> String {
        let namespace = manifest::within(&self.words.namespace, check.namespace.as_deref());
        format!("{}:{}", self.profile.host(&check.to, &namespace), check.port)
    }

    /// A failure, with the objects as they are now.
    pub(super) async fn failure(&self, step: usize, why: String, asked: Vec<Asked>) -> Failure {
        let mut objects = Vec::new();
        for ((side, _), applied) in &self.applied {
            let read = async { self.on(*side)?.get(applied).await };
            let text = match read.await {
                Ok(mut live) => {
                    live.metadata.managed_fields = None;
                    let place = if *side == Side::Peer { "# in the peer\n" } else { "" };
                    format!("{place}{}", serde_saphyr::to_string(&live).unwrap_or_default())
                }
                Err(error) => format!("# {}\n", error.line()),
            };
            objects.push(text);
        }
        Failure { step, why, asked, objects }
    }
}
