//! What is peculiar to a mesh: how pods come into it, how Services are called, and what it reads.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::{Error, case::Case, yaml};

include!(concat!(env!("OUT_DIR"), "/profiles.rs"));

/// The mesh that is there if none is named.
pub const DEFAULT: &str = "isthmus";

/// A mesh.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Profile {
    /// The file's name.
    #[serde(skip)]
    pub name: String,
    /// What people call it.
    pub title: String,
    /// How pods come into it.
    #[serde(default)]
    pub inject: Inject,
    /// How a Service is called, with `$(service)` and `$(namespace)`.
    #[serde(default = "cluster_dns")]
    pub host: String,
    /// Which versions of each kind it reads, the best first.
    pub versions: BTreeMap<String, Vec<String>>,
    /// What else it can: cases ask for these by name.
    #[serde(default)]
    pub features: BTreeSet<String>,
    /// What it answers to a request that it refuses.
    #[serde(default = "forbidden")]
    pub denied: Vec<u16>,
    /// The condition by which an object's status says that it is in effect.
    #[serde(default)]
    pub in_effect: Option<String>,
    /// How long objects take to be in effect, where no condition says so.
    #[serde(default)]
    pub settle_seconds: u64,
    /// What to know before its results are read.
    #[serde(default)]
    pub note: String,
}

/// What namespaces and pods are marked with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Inject {
    /// Labels of namespaces.
    pub namespace_labels: BTreeMap<String, String>,
    /// Annotations of namespaces.
    pub namespace_annotations: BTreeMap<String, String>,
    /// Labels of pods.
    pub pod_labels: BTreeMap<String, String>,
    /// Annotations of pods.
    pub pod_annotations: BTreeMap<String, String>,
    /// Labels that keep a pod out, where its namespace would take it in.
    pub outside_labels: BTreeMap<String, String>,
    /// Annotations that do.
    pub outside_annotations: BTreeMap<String, String>,
    /// Annotations of Services.
    pub service_annotations: BTreeMap<String, String>,
}

impl Profile {
    /// The profile of this name, among those that are part of the program.
    ///
    /// # Errors
    /// There is none, or it can't be read.
    pub fn named(name: &str) -> Result<Self, Error> {
        let known = || PROFILES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let (_, text) = PROFILES.iter().find(|(known, _)| *known == name).ok_or_else(|| Error::Data {
            file: format!("profile {name}"),
            why: format!("there is none of this name; there are {}, and a file is named by its path", known()),
        })?;
        Self::read(name, text)
    }

    /// Reads a profile.
    ///
    /// # Errors
    /// It isn't one.
    pub fn read(name: &str, text: &str) -> Result<Self, Error> {
        let profile: Self = yaml::read(text).map_err(|why| Error::Data { file: format!("profile {name}"), why })?;
        Ok(Self { name: name.to_owned(), ..profile })
    }

    /// The names of all.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PROFILES.iter().map(|(name, _)| *name)
    }

    /// What a case needs and this mesh hasn't.
    pub fn lacks<'c>(&self, case: &'c Case) -> Option<&'c str> {
        case.needs.iter().map(String::as_str).find(|need| !self.has(need))
    }

    fn has(&self, need: &str) -> bool {
        match need.split_once('/') {
            Some((kind, version)) => self.reads(kind).iter().any(|read| read == version),
            None if need.chars().any(char::is_uppercase) => !self.reads(need).is_empty(),
            None => self.features.contains(need),
        }
    }

    /// The versions of a kind that it reads.
    pub fn reads(&self, kind: &str) -> &[String] {
        self.versions.get(kind).map_or(&[], Vec::as_slice)
    }

    /// The name by which a Service is called.
    pub(crate) fn host(&self, service: &str, namespace: &str) -> String {
        self.host.replace("$(service)", service).replace("$(namespace)", namespace)
    }
}

fn cluster_dns() -> String {
    "$(service).$(namespace).svc.cluster.local".to_owned()
}

fn forbidden() -> Vec<u16> {
    vec![403]
}
