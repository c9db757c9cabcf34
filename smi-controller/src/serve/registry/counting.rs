//! Whatever proxies do in whatever order, the counts of who has what in effect are what counting anew gives.

use isthmus_api::control::v1::ControllerMessage;
use proptest::{collection::vec, prelude::*, sample::Index};
use prost::Message;

use super::{
    property::{self, Step},
    *,
};
use crate::{
    serve::InEffect,
    testing::{applied, deleted, index_of},
};

#[derive(Debug, Clone)]
enum Act {
    Change(Step),
    Open(u8),
    Close(Index),
    /// `held`: the present version.
    Subscribe(Index, Index, bool),
    Unsubscribe(Index, Index),
    Hear(Index),
    /// Answers the oldest message that was heard.
    Answer(Index, bool),
}

fn act() -> impl Strategy<Value = Act> {
    let any = any::<Index>;
    prop_oneof![
        6 => property::step().prop_map(Act::Change),
        2 => (0..4u8).prop_map(Act::Open),
        1 => any().prop_map(Act::Close),
        6 => (any(), any(), proptest::bool::ANY).prop_map(|(s, k, held)| Act::Subscribe(s, k, held)),
        1 => (any(), any()).prop_map(|(s, k)| Act::Unsubscribe(s, k)),
        8 => any().prop_map(Act::Hear),
        8 => (any(), proptest::bool::weighted(0.8)).prop_map(|(s, ack)| Act::Answer(s, ack)),
    ]
}

/// Counts everything there is.
fn counted(registry: &Registry, object: &ObjectRef) -> (usize, usize, bool) {
    let (mut concerned, mut programmed, mut refused) = (0, 0, false);
    for session in registry.sessions.values() {
        let (mut is_concerned, mut is_behind) = (false, false);
        for (key, subscription) in &session.subscriptions {
            let wanted = registry.resources[key].objects().and_then(|objects| objects.get(object));
            let has = subscription.in_effect().and_then(|objects| objects.get(object));
            is_concerned |= wanted.is_some() || has.is_some();
            is_behind |= wanted != has;
            refused |= wanted != has && subscription.refusal().is_some();
        }
        concerned += usize::from(is_concerned);
        programmed += usize::from(is_concerned && !is_behind);
    }
    (concerned, programmed, refused)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn counts_are_what_counting_anew_gives(acts in vec(act(), 1..120)) {
        let mut there = Vec::new();
        let mut registry = Registry::new(index_of([]), Vec::new());
        let mut heard: HashMap<SessionId, Vec<(Key, String)>> = HashMap::new();
        let keys = property::keys();
        for act in acts {
            let sessions: Vec<SessionId> = registry.sessions.keys().copied().collect();
            let session = |index: Index| (!sessions.is_empty()).then(|| *index.get(&sessions));
            match act {
                Act::Change(Step::Apply(manifest)) => {
                    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
                    there.push((text(&manifest["kind"]), text(&manifest["metadata"]["name"])));
                    registry.update([applied(manifest)]);
                }
                Act::Change(Step::Delete(index)) => {
                    if !there.is_empty() {
                        let (kind, name) = index.get(&there);
                        registry.update([deleted(kind, name)]);
                    }
                }
                Act::Open(pod) => drop(registry.open(ObjectName::new("shop", ["a", "b", "c", "d"][usize::from(pod)]))),
                Act::Close(index) => session(index).into_iter().for_each(|id| registry.close(id)),
                Act::Subscribe(index, key, holds) => {
                    if let Some(id) = session(index) {
                        let key = key.get(&keys).clone();
                        let compiled = registry.resources.get(&key).and_then(|r| r.compiled.as_ref());
                        let held = compiled.filter(|_| holds).map(|c| c.version.to_string());
                        registry.subscribe(id, key, held.unwrap_or_default()).unwrap();
                    }
                }
                Act::Unsubscribe(index, key) => {
                    session(index).into_iter().for_each(|id| registry.unsubscribe(id, key.get(&keys)));
                }
                Act::Hear(index) => {
                    if let Some(id) = session(index)
                        && let Some(frame) = registry.next(id)
                    {
                        let message = ControllerMessage::decode(&frame[5..]).unwrap();
                        let key = Key::read(message.key, &registry.sessions[&id].pod).unwrap().unwrap();
                        heard.entry(id).or_default().push((key, message.version));
                    }
                }
                Act::Answer(index, ack) => {
                    if let Some(id) = session(index)
                        && let Some(messages) = heard.get_mut(&id).filter(|messages| !messages.is_empty())
                    {
                        let (key, version) = messages.remove(0);
                        match ack {
                            true => registry.ack(id, &key, &version),
                            false => registry.refuse(id, &key, &version, "no"),
                        }
                    }
                }
            }
            let objects: Vec<ObjectRef> = registry.checks.keys().cloned().collect();
            for object in objects {
                let InEffect { concerned, programmed, refused, behind, .. } = registry.state_of(&object).unwrap().1;
                prop_assert_eq!(behind.is_some(), programmed < concerned);
                prop_assert_eq!((concerned, programmed, refused.is_some()), counted(&registry, &object), "{}", object);
            }
        }
        let all: Vec<SessionId> = registry.sessions.keys().copied().collect();
        all.into_iter().for_each(|id| registry.close(id));
        prop_assert!(registry.effects.is_empty() && registry.resources.is_empty(), "nothing is left behind");
    }
}
