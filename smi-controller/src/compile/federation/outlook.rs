//! All that the task which speaks to other meshes needs to know of this one.

use super::peers;
use crate::{
    compile::Reader,
    index::{Mesh, Object, Peer},
};

/// This mesh among others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outlook {
    /// Its own object.
    pub(crate) mesh: Option<Object<Mesh>>,
    /// The peers that count.
    pub(crate) peers: Vec<Object<Peer>>,
}

/// How it looks at present.
pub(crate) fn outlook(reader: &Reader<'_>) -> Outlook {
    let peers = peers::in_force(reader).into_iter().map(|peer| peer.object.clone());
    Outlook { mesh: reader.own_mesh().cloned(), peers: peers.collect() }
}
