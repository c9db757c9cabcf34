//! Doors to what hears the hub, members and joiners, for the fuzz targets alone (docs/fuzzing.md). They have real certificates,
//! so that what is behind a signature is reached too.

mod hub;
mod invitation;
mod member;

use std::time::{Instant, SystemTime};

use isthmus_api::federation::v1 as proto;
use isthmus_identity::Svid;
use prost::Message;

use crate::{invitation::InvitationId, testing::Trust};

pub use hub::heard_by_hub;
pub use invitation::invitation;
pub use member::heard_by_member;

/// Two meshes that have joined: `east`, which has the hub, and `west`; and `north`, which hasn't.
struct Scene {
    east: Trust,
    west: Trust,
    north: Trust,
    of_west: Svid,
    of_north: Svid,
    now: Instant,
    wall: SystemTime,
}

impl Scene {
    fn new() -> Self {
        let [east, west, north] = ["east.local", "west.local", "north.local"].map(Trust::new);
        let (of_west, of_north) = (west.controller(), north.controller());
        Self { east, west, north, of_west, of_north, now: Instant::now(), wall: SystemTime::now() }
    }
}

thread_local! {
    // Keys cost more than what is to be found out with them.
    static SCENE: Scene = Scene::new();
}

/// What north says of itself to who has invited it. What it can't know beforehand, and leaves out, is filled in.
fn introduction(payload: &[u8], invitation: InvitationId, north: &Trust) -> Vec<u8> {
    let Ok(mut said) = proto::Introduction::decode(payload) else { return payload.to_vec() };
    if said.invitation.is_empty() {
        said.invitation = invitation.to_bytes().into();
    }
    if said.bundle.is_empty() {
        said.bundle = north.digest().to_string();
    }
    said.encode_to_vec()
}

/// The steps of an input, each a number and bytes: one byte, two of length (big-endian), and so many. The last may be cut short.
fn steps(mut input: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let ([kind, high, low], rest) = input.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (step, rest) = rest.split_at(length);
        input = rest;
        Some((*kind, step))
    })
}
