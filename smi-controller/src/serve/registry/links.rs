//! Connections to other meshes, as the task that holds them tells: for conditions.

use super::Registry;
use crate::fault::ObjectRef;

/// How a Mesh or a MeshPeer is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) up: bool,
    /// For programs.
    pub(crate) reason: &'static str,
    /// For people.
    pub(crate) message: String,
    /// Of a peer whose gateways have names: what all of them are, or why one of them isn't known.
    pub(crate) names: Option<Result<String, String>>,
}

impl Registry {
    /// How it stands with an object's connection. `None`: nobody has said.
    pub(crate) fn link(&self, object: &ObjectRef) -> Option<Link> {
        self.links.get(object).cloned()
    }

    /// It stands so from now on.
    pub(crate) fn set_link(&mut self, object: ObjectRef, link: Link) {
        if self.links.get(&object) != Some(&link) {
            self.links.insert(object.clone(), link);
            self.effects.news.unsettled.insert(object);
        }
    }
}
