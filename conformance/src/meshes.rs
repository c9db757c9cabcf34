//! The mesh under test, and the one that it is joined with.

use kube::Client;
use serde_json::{Map, Value};

use crate::{Error, kube_api::Cluster};

/// What a mesh is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Its name.
    pub mesh: String,
    /// The trust domain of its identities.
    pub trust_domain: String,
}

/// What is known of the meshes of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parties {
    /// The mesh under test; `None`: a mesh of somebody else's, whose identities the suite doesn't know.
    pub own: Option<Names>,
    /// Its peer, if there is one.
    pub peer: Option<Names>,
}

/// The meshes of a run.
#[derive(Clone)]
pub struct Meshes {
    /// The cluster of the mesh under test.
    pub own: Client,
    /// That of its peer.
    pub peer: Option<Client>,
    /// Both by name.
    pub parties: Parties,
}

/// In which of the two something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// In the mesh under test.
    Own,
    /// In its peer.
    Peer,
}

impl Meshes {
    /// A mesh without a peer, of which nothing is known.
    pub fn one(own: Client) -> Self {
        Self { own, peer: None, parties: Parties::default() }
    }

    pub(crate) fn cluster(&self, side: Side) -> Result<Cluster, Error> {
        let client = match side {
            Side::Own => Some(&self.own),
            Side::Peer => self.peer.as_ref(),
        };
        let none = || Error::Data { file: "the run".to_owned(), why: "it has no peer".to_owned() };
        client.cloned().map(Cluster::new).ok_or_else(none)
    }

    /// Both clusters, or the one.
    pub(crate) fn clusters(&self) -> impl Iterator<Item = Cluster> {
        std::iter::once(&self.own).chain(&self.peer).cloned().map(Cluster::new)
    }
}

impl Side {
    /// Of this mesh's identities, and of the other one's.
    pub(crate) fn names(self, parties: &Parties) -> (Option<&Names>, Option<&Names>) {
        match self {
            Self::Own => (parties.own.as_ref(), parties.peer.as_ref()),
            Self::Peer => (parties.peer.as_ref(), parties.own.as_ref()),
        }
    }
}

/// What the placeholders of a case stand for.
#[derive(Debug, Clone)]
pub(crate) struct Words<'a> {
    pub(crate) namespace: String,
    pub(crate) parties: &'a Parties,
}

impl Words<'_> {
    /// The value with its placeholders filled in. One that nothing is known for stays.
    pub(crate) fn fill(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::Object(fields) => {
                let fields = fields.iter().map(|(key, value)| (key.clone(), self.fill(value)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }

    pub(crate) fn text(&self, text: &str) -> String {
        let mut text = text.replace("$(namespace)", &self.namespace);
        let names = [
            ("$(mesh)", "$(trust-domain)", &self.parties.own),
            ("$(peer)", "$(peer-trust-domain)", &self.parties.peer),
        ];
        for (mesh, trust_domain, names) in names {
            if let Some(names) = names {
                text = text.replace(mesh, &names.mesh).replace(trust_domain, &names.trust_domain);
            }
        }
        text
    }
}
