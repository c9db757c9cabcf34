//! What the hub says to a member, and what peers say through it.

use std::sync::Arc;

use isthmus_api::federation::v1::{self as proto, catalog::Content, hub_message::Message as Said};
use isthmus_identity::Svid;
use prost::Message;

use super::{SCENE, Scene, introduction, steps};
use crate::{
    catalog::{Exports, delta::Delta, receive::unix, wire as form},
    invitation::{Invitation, Terms},
    limits::MAX_CATALOG_BYTES,
    member::{self, Event},
    names::hub_id,
    testing::{Controller, HOUR, mesh},
    wire,
};

/// What an honest hub, a hostile one and a peer's controller may say to the member of `east`. Nothing is believed that the peer hasn't
/// signed; what it has signed is taken as it was meant.
pub fn heard_by_member(input: &[u8]) {
    SCENE.with(|scene| {
        let mut east = East::new(scene);
        for (kind, step) in steps(input) {
            match kind % 8 {
                0 => east.hub_says(step),
                1 => east.whole(step),
                2 => east.delta(step),
                3 => drop(east.signed(wire::CATALOG, step.to_vec(), Said::Catalog)),
                4 => drop(east.signed(wire::HEARTBEAT, step.to_vec(), Said::Heartbeat)),
                5 => drop(east.signed(wire::ACKNOWLEDGEMENT, step.to_vec(), Said::Acknowledgement)),
                6 => east.introduction(step),
                _ => east.altered(step),
            }
            east.answer();
        }
    });
}

struct East<'s> {
    scene: &'s Scene,
    state: member::State,
    svid: Svid,
    invitation: Arc<Invitation>,
    sequence: u64,
    /// What was taken last of the catalogs that were made here.
    held: Option<(u64, Arc<Exports>)>,
}

impl<'s> East<'s> {
    fn new(scene: &'s Scene) -> Self {
        let mut controller = Controller::new("east", "east", &scene.east, &scene.east, scene.now);
        let mut peer = scene.west.peer();
        peer.held = Some(scene.west.held());
        controller.offer.peers.insert(mesh("west"), peer);
        let digest = scene.east.digest();
        let invitation = Invitation::generate(Terms {
            hub: vec!["hub.example:15030".into()],
            hub_identity: hub_id(&scene.east.domain).unwrap(),
            hub_bundle: digest,
            mesh: mesh("east"),
            trust_domain: scene.east.domain.clone(),
            bundle: digest,
            expires: unix(scene.wall + HOUR),
        });
        let invitation = Arc::new(invitation.unwrap());
        controller.offer.invitations.insert(invitation.id, Arc::clone(&invitation));
        let Controller { mut state, offer, svid, .. } = controller;
        state.offer(Arc::new(offer), scene.now);
        let _ = state.hello("fuzz");
        let mut east = Self { scene, state, svid, invitation, sequence: 0, held: None };
        east.receive(Said::Welcome(proto::Welcome::default()));
        east
    }

    fn receive(&mut self, said: Said) -> Vec<Event> {
        self.state.receive(proto::HubMessage { message: Some(said) }, self.scene.now, self.scene.wall);
        self.state.events()
    }

    /// All that it has to say.
    fn answer(&mut self) {
        let (now, wall) = (self.scene.now, self.scene.wall);
        while self.state.next(&self.svid, now, wall).is_some() {}
        let _ = self.state.wake_at();
    }

    /// A hub that has nobody's key.
    fn hub_says(&mut self, bytes: &[u8]) {
        let Ok(message) = proto::HubMessage::decode(bytes) else { return };
        let Some(said) = message.message else { return };
        let events = self.receive(said);
        let vouched = |event: &Event| {
            !matches!(
                event,
                Event::Connected { .. } | Event::Invitation { .. } | Event::Peer { .. } | Event::Refused { .. }
            )
        };
        assert!(!events.iter().any(vouched), "{events:?}");
    }

    /// West's controller has signed it.
    fn signed(&mut self, purpose: &'static str, payload: Vec<u8>, as_what: fn(proto::Relayed) -> Said) -> Vec<Event> {
        let sealed = self.scene.of_west.seal(purpose, payload).unwrap();
        self.relayed(wire::sealed(sealed), as_what)
    }

    fn relayed(&mut self, sealed: proto::Sealed, as_what: fn(proto::Relayed) -> Said) -> Vec<Event> {
        let (mesh, cluster) = ("west".to_owned(), "west".to_owned());
        self.receive(as_what(proto::Relayed { mesh, cluster, sealed: Some(sealed) }))
    }

    fn whole(&mut self, bytes: &[u8]) {
        let Ok(whole) = proto::Exports::decode(bytes) else { return };
        let Ok(exports) = form::read_exports(whole.clone()) else { return };
        self.published(Content::Whole(whole), exports);
    }

    fn delta(&mut self, bytes: &[u8]) {
        let (Some((base, held)), Ok(mut delta)) = (self.held.clone(), proto::Delta::decode(bytes)) else { return };
        delta.base = base;
        let Some(next) = Delta::decode(delta.clone()).ok().and_then(|delta| delta.apply(&held).ok()) else { return };
        assert_eq!(Delta::between(&held, &next).apply(&held).as_ref(), Ok(&next));
        self.published(Content::Delta(delta), next);
    }

    /// What an honest controller publishes is taken as it is.
    fn published(&mut self, content: Content, exports: Exports) {
        assert_eq!(form::read_exports(form::exports(&exports)).as_ref(), Ok(&exports));
        let payload = self.catalog(content, &exports);
        if payload.len() > MAX_CATALOG_BYTES {
            return;
        }
        let events = self.signed(wire::CATALOG, payload, Said::Catalog);
        let [Event::Catalog { exports: taken, .. }] = events.as_slice() else {
            // A signed catalog of a higher sequence was taken before.
            assert!(events.iter().all(|event| matches!(event, Event::Refused { .. })), "{events:?}");
            self.held = None;
            return;
        };
        assert_eq!(**taken, exports);
        self.held = Some((self.sequence, Arc::clone(taken)));
    }

    fn catalog(&mut self, content: Content, exports: &Exports) -> Vec<u8> {
        self.sequence += 1;
        let message = proto::Catalog {
            mesh: "west".to_owned(),
            cluster: "west".to_owned(),
            audience: "east".to_owned(),
            sequence: self.sequence,
            digest: exports.digest().as_bytes().to_vec().into(),
            lease: 30,
            issued_at: unix(self.scene.wall),
            content: Some(content),
        };
        message.encode_to_vec()
    }

    /// A seal of west's that the hub has changed: at the position of the first two bytes, to the others.
    fn altered(&mut self, step: &[u8]) {
        let Some((at, by)) = step.split_first_chunk() else { return };
        let payload = self.catalog(Content::Whole(proto::Exports::default()), &Exports::default());
        let sealed = wire::sealed(self.scene.of_west.seal(wire::CATALOG, payload).unwrap());
        let mut bytes = sealed.encode_to_vec();
        let from = usize::from(u16::from_be_bytes(*at)) % bytes.len();
        let until = (from + by.len()).min(bytes.len());
        bytes.splice(from..until, by.iter().copied());
        let Ok(changed) = proto::Sealed::decode(bytes.as_slice()) else { return };
        let events = self.relayed(changed.clone(), Said::Catalog);
        if changed.payload != sealed.payload {
            assert!(events.iter().all(|event| matches!(event, Event::Refused { .. })), "{events:?}");
        }
        self.held = None;
    }

    /// Of one who holds the invitation, and says this of himself.
    fn introduction(&mut self, payload: &[u8]) {
        let payload = introduction(payload, self.invitation.id, &self.scene.north);
        let mac = self.invitation.peer_secret().mac(&payload).into();
        let sealed = self.scene.of_north.seal(wire::INTRODUCTION, payload).unwrap();
        let events = self.receive(Said::Introduced(proto::Introduced {
            chain: wire::chain(&self.scene.north.chain),
            introduction: Some(wire::sealed(sealed)),
            mac,
        }));
        for event in events {
            let Event::Introduced { mesh: name, trust_domain, bundle, .. } = event else { continue };
            assert_eq!((trust_domain, bundle), (self.scene.north.domain.clone(), self.scene.north.digest()));
            assert_ne!(name, mesh("east"));
        }
    }
}
