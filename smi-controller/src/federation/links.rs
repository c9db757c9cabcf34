//! What conditions say of the connections to the hub and to peers.

use isthmus_core::id::ObjectName;

use crate::{
    compile::Outlook,
    fault::{Kind, ObjectRef},
    serve::Link,
};

/// Of a mesh that has no hub: it is alone, and so are its peers.
pub(super) fn without_hub(outlook: &Outlook) -> Vec<(ObjectRef, Link)> {
    let link = |message: &str| Link { up: false, reason: "NoHub", message: message.to_owned() };
    let mesh = outlook.mesh.iter().map(|mesh| {
        (
            named(Kind::Mesh, &mesh.name),
            link("spec.hub names no hub: the mesh is alone; join others with an invitation"),
        )
    });
    let peers = outlook.peers.iter().map(|peer| (named(Kind::MeshPeer, &peer.name), link("this mesh has no hub")));
    mesh.chain(peers).collect()
}

fn named(kind: Kind, name: &ObjectName) -> ObjectRef {
    ObjectRef { kind, name: name.clone() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        compile::{self, Reader},
        testing::{global, index_of, peer},
    };

    #[test]
    fn a_mesh_without_a_hub_says_that_it_is_alone() {
        let mesh = global("Mesh", "isthmus", json!({"trustDomain": "isthmus.local"}));
        let outlook = compile::outlook(&Reader::new(&index_of([mesh, peer("west")])));
        let said: Vec<_> = without_hub(&outlook).into_iter().map(|(object, link)| (object.to_string(), link)).collect();
        let objects: Vec<_> = said.iter().map(|(object, _)| object.as_str()).collect();
        assert_eq!(objects, ["Mesh isthmus", "MeshPeer west"]);
        assert!(said.iter().all(|(_, link)| !link.up && link.reason == "NoHub"));
    }
}
