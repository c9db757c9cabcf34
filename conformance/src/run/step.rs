//! One step of a case.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::scene::Scene;
use crate::{
    Error,
    case::{Check, Step},
    judge::{self, Seen},
    meshes::Side,
    report::{Asked, Failure},
};

/// How often in a row what is expected has to be seen: a mesh takes a moment to come round everywhere.
const ROUNDS: usize = 3;
/// Requests that show by themselves that it is so everywhere.
const MANY: u32 = 100;
const BETWEEN_ROUNDS: Duration = Duration::from_millis(30);
const BETWEEN_TRIES: Duration = Duration::from_millis(250);

impl Scene<'_> {
    /// Does it. What isn't as expected is a failure; an error is that it couldn't be found out.
    pub(super) async fn step(&mut self, number: usize, step: &Step) -> Result<Option<Failure>, Error> {
        let (side, step) = match step {
            Step::Peer(step) => (Side::Peer, step.as_ref()),
            step => (Side::Own, step),
        };
        let why = match step {
            Step::Apply(objects) | Step::TryApply(objects) => {
                self.settled = false;
                match self.apply(side, objects, matches!(step, Step::TryApply(_))).await? {
                    Some(why) => Some(why),
                    None => self.wait_in_effect().await?,
                }
            }
            Step::Delete(objects) => self.delete(side, objects).await?,
            Step::Scale { app, replicas } => {
                self.scale(app, *replicas).await?;
                None
            }
            Step::Expect(checks) => return self.expect(number, checks).await,
            Step::Hold(connections) => {
                for (name, check) in connections {
                    self.hold(name, check).await?;
                }
                None
            }
            Step::Api(call) => return self.api(number, side, call).await,
            Step::Closed(names) => self.held_are(names, false).await?,
            Step::Open(names) => self.held_are(names, true).await?,
            Step::Peer(_) => Some("a step in the peer of the peer".to_owned()),
        };
        match why {
            None => Ok(None),
            Some(why) => Ok(Some(self.failure(number, why, Vec::new()).await)),
        }
    }

    async fn delete(&mut self, side: Side, objects: &[String]) -> Result<Option<String>, Error> {
        self.settled = false;
        let cluster = self.on(side)?;
        for name in objects {
            let Some(object) = self.applied.remove(&(side, name.clone())) else {
                return Ok(Some(format!("{name} was never applied")));
            };
            cluster.delete(&object).await?;
        }
        Ok(None)
    }

    /// Asks until everything is as expected several times in a row, or the time is over.
    async fn expect(&self, number: usize, checks: &[Check]) -> Result<Option<Failure>, Error> {
        let filled: Vec<Check> = checks.iter().map(|check| self.filled_check(check)).collect();
        let checks = filled.as_slice();
        let deadline = Instant::now() + self.timeout();
        let rounds = if checks.iter().any(|check| check.times >= MANY) { 1 } else { ROUNDS };
        let mut good = 0;
        loop {
            let seen = self.send(checks).await?;
            let verdicts: Vec<bool> = checks.iter().zip(&seen).map(|(c, s)| judge::holds(c, s, self.profile)).collect();
            if verdicts.iter().all(|holds| *holds) {
                good += 1;
                if good == rounds {
                    return Ok(None);
                }
                sleep(BETWEEN_ROUNDS).await;
                continue;
            }
            good = 0;
            let leaked = self.settled && checks.iter().zip(&seen).any(|(check, seen)| judge::leaked(check, seen));
            if leaked || Instant::now() >= deadline {
                let why = if leaked {
                    "what was applied is in effect, by its status, and isn't kept".to_owned()
                } else {
                    format!("not as expected after {} s", self.timeout().as_secs())
                };
                return Ok(Some(self.failure(number, why, asked(checks, &seen, &verdicts)).await));
            }
            sleep(BETWEEN_TRIES).await;
        }
    }

    async fn hold(&mut self, name: &str, check: &Check) -> Result<(), Error> {
        let deadline = Instant::now() + self.timeout();
        let body = json!({ "address": self.address(check), "send": "WHO" });
        loop {
            let told = self.ask(&check.from, "POST", "/sessions", Some(&body)).await?;
            if let Some(id) = told.get("id").and_then(Value::as_u64) {
                self.held.insert(name.to_owned(), (check.from.clone(), id));
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Error::Program { pod: check.from.clone(), why: format!("no connection: {told}") });
            }
            sleep(BETWEEN_TRIES).await;
        }
    }

    async fn held_are(&self, names: &[String], wanted: bool) -> Result<Option<String>, Error> {
        for name in names {
            let Some((app, id)) = self.held.get(name) else { return Ok(Some(format!("{name} was never opened"))) };
            // To be closed may take a moment; to be open is seen at once.
            let path = if wanted { format!("/sessions/{id}/now") } else { format!("/sessions/{id}") };
            let told = self.ask(app, "GET", &path, None).await?;
            let open = told.get("open").and_then(Value::as_bool);
            if open != Some(wanted) {
                let asked = if wanted { "open" } else { "closed" };
                return Ok(Some(format!("connection {name} should be {asked}: {told}")));
            }
        }
        Ok(None)
    }
}

fn asked(checks: &[Check], seen: &[Vec<Seen>], verdicts: &[bool]) -> Vec<Asked> {
    let all = checks.iter().zip(seen).zip(verdicts);
    all.map(|((check, seen), holds)| Asked {
        request: judge::request(check),
        expected: judge::expected(check),
        seen: judge::words(check, seen),
        as_expected: *holds,
    })
    .collect()
}
