//! What the statuses of Mesh, MeshPeer and ImportedService say beside their conditions.

use std::time::{Instant, SystemTime};

use isthmus_core::federation::MeshName;
use isthmus_identity::{Chain, HeldBundle};
use isthmus_k8s::federation::BundleStatus;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use serde_json::{Value, json};

use super::{
    catalogs::{self, Content},
    session::{Hub, Session},
};

/// Seconds that clocks may differ without a word: what is relayed takes its time.
const CLOCKS_AGREE: u64 = 10;
/// How exact the time of the last contact is kept, in seconds: each step of it is a write.
const CONTACT_STEP: i64 = 60;

/// A bundle as a status has it.
pub(super) fn bundle(held: &HeldBundle) -> BundleStatus {
    BundleStatus {
        sequence: held.sequence(),
        digest: held.digest().to_string(),
        document: String::from_utf8_lossy(held.document()).into_owned(),
    }
}

/// This mesh's own bundle, the newest one.
pub(super) fn own_bundle(chain: &Chain) -> Option<HeldBundle> {
    let newest = chain.newest()?;
    HeldBundle::restore(newest.trust_domain.clone(), newest.document.clone()).ok()
}

/// Of the own Mesh, with what is known of its other clusters.
pub(super) fn mesh(name: &MeshName, own: Option<&HeldBundle>, session: &Session, has_member: bool) -> Value {
    let error = match &session.hub {
        Hub::Lost { why } if has_member => Some(why),
        _ => None,
    };
    let connected = has_member && matches!(session.hub, Hub::Connected { .. });
    let mut hub = json!({"connected": connected, "error": error});
    if let (Some(held), Some(hub)) = (&session.hub_bundle, hub.as_object_mut()) {
        hub.insert("bundle".into(), json!(bundle(held)));
    }
    let mut status = json!({"bundle": own.map(bundle), "hub": hub});
    let contact = session.peers.get(name).and_then(|peering| peering.contact);
    if let (Some(contact), Some(fields)) = (contact.and_then(self::contact), status.as_object_mut()) {
        fields.insert("catalogs".into(), json!(session.catalogs.status(name, Instant::now())));
        fields.insert("lastContact".into(), json!(Time(contact)));
    }
    status
}

/// Of a peer.
pub(super) fn peer(mesh: &MeshName, session: &Session, now: Instant) -> Value {
    let mut status = json!({"catalogs": session.catalogs.status(mesh, now)});
    if let (Some(peering), Some(fields)) = (session.peers.get(mesh), status.as_object_mut()) {
        if let Some(held) = &peering.bundle {
            fields.insert("bundle".into(), json!(bundle(held)));
        }
        if let Some(contact) = peering.contact.and_then(contact) {
            fields.insert("lastContact".into(), json!(Time(contact)));
        }
        if let Some(ahead) = peering.ahead {
            // What a controller before this one has written goes when the clocks agree.
            let off = (ahead.unsigned_abs() >= CLOCKS_AGREE).then_some(ahead);
            fields.insert("clockAheadSeconds".into(), json!(off));
        }
        if peering.complete() > 0 {
            fields.insert("acknowledged".into(), json!(peering.complete()));
        }
    }
    status
}

fn contact(at: SystemTime) -> Option<Timestamp> {
    let at = Timestamp::try_from(at).ok()?.as_second();
    Timestamp::from_second(at - at.rem_euclid(CONTACT_STEP)).ok()
}

/// Of an import.
pub(super) fn import(content: &Content) -> Value {
    let endpoints: usize = match content.state {
        isthmus_federation::catalog::freshness::Freshness::Expired => 0,
        _ => content.clusters.iter().map(|cluster| cluster.endpoints.len()).sum(),
    };
    json!({"state": catalogs::write(content.state), "endpoints": endpoints, "catalog": content.clusters, "conflicts": content.conflicts})
}

/// What of it is written with other changes only: when the import's mesh was heard last.
pub(super) fn heard(session: &Session, mesh: Option<&MeshName>) -> Value {
    let contact = mesh.and_then(|mesh| session.peers.get(mesh)?.contact);
    match contact.and_then(|contact| Timestamp::try_from(contact).ok()) {
        Some(at) => json!({"lastContact": Time(at)}),
        None => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use isthmus_federation::member::Event;

    use super::*;

    #[test]
    fn the_last_contact_of_a_peer_is_written_once_a_minute_however_often_it_is_heard() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let west: MeshName = "west".parse().unwrap();
        let mut session = Session::default();
        let mut written = Vec::new();
        for second in 0..180 {
            let event =
                Event::Heartbeat { peer: west.clone(), cluster: "west".parse().unwrap(), sequence: 1, counter: second };
            session.take(event, (Instant::now(), start + Duration::from_secs(second)));
            written.push(peer(&west, &session, Instant::now()));
        }
        written.dedup();
        assert_eq!(written.len(), 3);
    }

    #[test]
    fn how_far_a_peers_clock_is_off_is_written_until_it_is_right() {
        let west: MeshName = "west".parse().unwrap();
        let mut session = Session::default();
        let now = (Instant::now(), SystemTime::now());
        assert!(peer(&west, &session, now.0).get("clockAheadSeconds").is_none(), "nothing is known");
        for (ahead, written) in [(-420, json!(-420)), (3, Value::Null)] {
            session.take(Event::Clock { peer: west.clone(), ahead }, now);
            assert_eq!(peer(&west, &session, now.0)["clockAheadSeconds"], written);
        }
    }

    #[test]
    fn an_error_of_the_hub_goes_when_it_is_there_again() {
        let mut session = Session::default();
        let now = (Instant::now(), SystemTime::now());
        session.take(Event::Lost { why: "reset".into() }, now);
        let mesh = |session: &Session, has_member| mesh(&"isthmus".parse().unwrap(), None, session, has_member);
        assert_eq!(mesh(&session, true)["hub"], json!({"connected": false, "error": "reset"}));
        session.take(Event::Connected { version: "1".into() }, now);
        assert_eq!(mesh(&session, true)["hub"], json!({"connected": true, "error": null}));
        assert_eq!(mesh(&session, false)["hub"]["connected"], false, "there is no hub any more");
    }
}
