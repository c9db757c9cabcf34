//! What a case must be beyond its shape, for it to be run and to mean something. The suite's own are held to it too.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Case, Check, Step};
use crate::{judge::NOBODY, statistics};

/// A namespace's name may have 63 characters, with the prefix and the run's name of 4 before, and another's behind.
const LONGEST_ID: usize = 37;

impl Case {
    /// Is all there that it names?
    ///
    /// # Errors
    /// What is wrong: the field, and what to do.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.check_name()?;
        let source = &self.source;
        let texts = [
            ("title", &self.title),
            ("source.page", &source.page),
            ("source.section", &source.section),
            ("source.says", &source.says),
        ];
        for (field, text) in texts {
            ensure(!text.trim().is_empty(), || format!("{field}: it is empty: say what is checked, and by what"))?;
        }
        for (name, app) in &self.apps {
            self.check_namespace(&format!("apps.{name}.namespace"), app.namespace.as_ref())?;
        }
        let mut held = BTreeSet::new();
        for (number, step) in self.steps.iter().enumerate() {
            self.check_step(&format!("steps[{number}]"), step, &mut held)?;
        }
        ensure(self.steps.iter().any(expects), || {
            "steps: nothing is expected: add a step expect, api, open or closed".to_owned()
        })
    }

    fn check_name(&self) -> Result<(), String> {
        let id = &self.id;
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let parted = id.split_once('-').is_some_and(|(group, what)| !group.is_empty() && !what.is_empty());
        ensure(id.chars().all(fits) && parted && !id.ends_with('-'), || {
            format!("the file's name {id:?} is the case's id: call it <group>-<what>, of a-z, 0-9 and -")
        })?;
        let longest = self.namespaces.iter().map(|other| other.len() + 1).max().unwrap_or(0) + id.len();
        ensure(longest <= LONGEST_ID, || {
            format!(
                "the file's name, with the longest of namespaces, has {longest} characters: use at most {LONGEST_ID}"
            )
        })
    }

    fn check_step(&self, at: &str, step: &Step, held: &mut BTreeSet<String>) -> Result<(), String> {
        match step {
            Step::Expect(checks) => {
                ensure(!checks.is_empty(), || format!("{at}.expect: it is empty: say what is expected"))?;
                checks.iter().enumerate().try_for_each(|(n, check)| self.check_one(&format!("{at}.expect[{n}]"), check))
            }
            Step::Hold(connections) => connections.iter().try_for_each(|(name, check)| {
                held.insert(name.clone());
                self.check_one(&format!("{at}.hold.{name}"), check)
            }),
            Step::Closed(names) | Step::Open(names) => names.iter().try_for_each(|name| {
                ensure(held.contains(name), || {
                    format!("{at}: no step before holds a connection {name:?}: hold it first")
                })
            }),
            Step::Scale { app, .. } => self.check_app(&format!("{at}.scale.app"), app),
            Step::Delete(names) => names.iter().try_for_each(|name| {
                let parted = name.split_once('/').is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty());
                ensure(parted, || format!("{at}.delete: {name:?} names no object: write <Kind>/<name>"))
            }),
            Step::Peer(step) => self.check_step(&format!("{at}.peer"), step, held),
            Step::Apply(_) | Step::TryApply(_) | Step::Api(_) => Ok(()),
        }
    }

    fn check_one(&self, at: &str, check: &Check) -> Result<(), String> {
        self.check_app(&format!("{at}.from"), &check.from)?;
        let there = self.apps.get(&check.from).is_some_and(|from| from.peer);
        let beside = self.apps.get(&check.to).is_some_and(|to| to.peer == there);
        ensure(beside || self.services(there).any(|service| service == check.to), || {
            let (to, from) = (&check.to, &check.from);
            format!("{at}.to: there is no app or Service {to:?} where {from} is: add it to apps or objects")
        })?;
        self.check_namespace(&format!("{at}.namespace"), check.namespace.as_ref())?;
        ensure(check.times > 0, || format!("{at}.times: none is sent: write 1 or more"))?;
        let Some(shares) = &check.by else { return Ok(()) };
        // What no program has answered goes by its status, or by nobody.
        let mut apps = shares.keys().filter(|by| *by != NOBODY && by.parse::<u16>().is_err());
        apps.try_for_each(|app| self.check_app(&format!("{at}.by"), app))?;
        let sum: u32 = shares.values().fold(0, |sum, share| sum.saturating_add(*share));
        ensure(sum == 100, || format!("{at}.by: the shares are {sum} percent in all: make them 100"))?;
        let exact = shares.values().all(|share| matches!(share, 0 | 100));
        ensure(exact || check.times >= statistics::ENOUGH, || {
            format!("{at}.times: {} are too few for shares: ask for {} at least", check.times, statistics::ENOUGH)
        })
    }

    /// The Services that a case makes in one of the meshes, those of imports among them.
    fn services(&self, there: bool) -> impl Iterator<Item = &str> {
        let steps = self.steps.iter().flat_map(move |step| applied(step, there));
        let objects = self.objects.iter().filter(move |_| !there).chain(steps);
        objects.filter_map(|object| {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
            match text("/kind")? {
                "Service" => text("/metadata/name"),
                "ImportedService" => text("/spec/as").or_else(|| text("/metadata/name")),
                _ => None,
            }
        })
    }

    fn check_app(&self, at: &str, name: &str) -> Result<(), String> {
        ensure(self.apps.contains_key(name), || {
            let known: Vec<&str> = self.apps.keys().map(String::as_str).collect();
            format!("{at}: there is no app {name:?}: apps has {}", known.join(", "))
        })
    }

    fn check_namespace(&self, at: &str, name: Option<&String>) -> Result<(), String> {
        let known = name.is_none_or(|name| self.namespaces.contains(name));
        ensure(known, || format!("{at}: {:?} isn't among namespaces: add it there", name.map_or("", String::as_str)))
    }
}

fn expects(step: &Step) -> bool {
    match step {
        Step::Peer(step) => expects(step),
        Step::Apply(_) | Step::TryApply(_) | Step::Delete(_) | Step::Scale { .. } | Step::Hold(_) => false,
        Step::Expect(_) | Step::Api(_) | Step::Closed(_) | Step::Open(_) => true,
    }
}

/// What a step applies there.
fn applied(step: &Step, there: bool) -> &[Value] {
    match step {
        Step::Apply(objects) | Step::TryApply(objects) if !there => objects,
        Step::Peer(step) if there => applied(step, false),
        _ => &[],
    }
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}
