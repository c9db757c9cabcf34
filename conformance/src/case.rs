//! A case: what it checks, by which sentence of the specification, and how.

mod api;
mod check;
mod library;
mod own;
mod step;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::meshes::Side;
pub use api::{ApiCall, Send};
pub use library::all;
pub use own::of_folder;
pub use step::{Answer, Check, Protocol, Shares, Step};
pub(crate) use step::{HTTP, HTTP_ALT, TCP};

/// One case, as its file says it. Its id is the file's name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// `<group>-<what>`.
    #[serde(skip)]
    pub id: String,
    /// What holds, in a sentence.
    pub title: String,
    /// Where the specification says so.
    pub source: Source,
    /// How strongly it says so.
    pub demand: Demand,
    /// Features of the mesh (`tcp`, `deny-by-default`…) and versions that it reads (`TrafficSplit/v1alpha1`) without which it can't be tried.
    #[serde(default)]
    pub needs: Vec<String>,
    /// More namespaces than the case's own: `$(namespace)-<name>`.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// The programs, each with a Deployment, a ServiceAccount and a Service of its name.
    pub apps: BTreeMap<String, App>,
    /// Whether every program may be called by every other before the first step: for cases that aren't about access.
    #[serde(default)]
    pub open: bool,
    /// Objects that are there before the first step.
    #[serde(default)]
    pub objects: Vec<Value>,
    /// What is done, and what is expected then.
    pub steps: Vec<Step>,
}

/// A sentence of the specification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The document: `traffic-access`, `traffic-specs`, `traffic-split`, `traffic-metrics`; or one of ours.
    pub page: String,
    /// Its heading.
    pub section: String,
    /// The sentence, or what it comes to.
    pub says: String,
}

/// How strongly the specification says what a case checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// It has to be so.
    Required,
    /// It should be so.
    Recommended,
    /// It leaves it open; the case holds what Isthmus documents.
    Silent,
}

/// A program of a case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct App {
    /// Its ServiceAccount, which is made too.
    pub account: Option<String>,
    /// Labels of its pods, beside `app: <name>`. For Services among the case's objects to select by.
    pub labels: BTreeMap<String, String>,
    /// How many pods.
    pub replicas: u32,
    /// In which of the case's other namespaces it is.
    pub namespace: Option<String>,
    /// Whether its pods stay outside of the mesh.
    pub outside: bool,
    /// Whether it is in the mesh that the one under test is joined with.
    pub peer: bool,
}

impl Default for App {
    fn default() -> Self {
        Self { account: None, labels: BTreeMap::new(), replicas: 1, namespace: None, outside: false, peer: false }
    }
}

impl App {
    pub(crate) fn side(&self) -> Side {
        if self.peer { Side::Peer } else { Side::Own }
    }
}

impl Case {
    /// The part of the suite that it belongs to.
    pub fn group(&self) -> &str {
        self.id.split('-').next().unwrap_or_default()
    }

    /// Where it has something: in the mesh under test, and in the peer if it has any part there.
    pub(crate) fn sides(&self) -> impl Iterator<Item = Side> {
        let there = self.apps.values().any(|app| app.peer) || self.steps.iter().any(|s| matches!(s, Step::Peer(_)));
        std::iter::once(Side::Own).chain(there.then_some(Side::Peer))
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Required => "required",
            Self::Recommended => "recommended",
            Self::Silent => "silent",
        })
    }
}
