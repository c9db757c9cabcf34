use isthmus_core::id::ObjectName;

use super::*;
use crate::fault::{Kind, Reason};

fn fault(message: &str) -> Fault {
    Fault::unresolved(Reason::PortMismatch, message)
}

fn bad(message: &str) -> Fault {
    Fault::partly(Reason::InvalidRegex, message)
}

#[test]
fn a_fault_is_raised_once_and_again_only_when_it_comes_back() {
    let mut raised = Raised::default();
    let mut raise = |faults: &[Fault]| raised.update(faults, Timestamp::UNIX_EPOCH).0;
    assert_eq!(raise(&[bad("a")]), [Raise::First(bad("a"))]);
    assert_eq!(raise(&[bad("a"), bad("b")]), [Raise::First(bad("b"))]);
    assert_eq!(raise(&[bad("b")]), []);
    assert_eq!(raise(&[bad("a"), bad("b")]), [Raise::Again(bad("a"))]);
}

#[test]
fn what_is_missing_for_a_moment_only_is_not_raised() {
    let mut raised = Raised::default();
    let start = Timestamp::UNIX_EPOCH;
    assert_eq!(raised.update(&[fault("a")], start), (vec![], true));
    assert_eq!(raised.update(&[], start + GRACE), (vec![], false));
    assert_eq!(raised.update(&[fault("a")], start + GRACE), (vec![], true));
    assert_eq!(raised.update(&[fault("a")], start + GRACE + GRACE), (vec![Raise::First(fault("a"))], false));
    assert_eq!(raised.update(&[fault("a")], start + GRACE + GRACE), (vec![], false));
}

#[test]
fn an_event_names_its_object_so_that_describe_finds_it() {
    let object = ObjectRef { kind: Kind::TrafficSplit, name: ObjectName::new("shop", "s") };
    let event = event(&object, "u1", &fault("no port 80"), Timestamp::UNIX_EPOCH);
    let involved = &event.involved_object;
    assert_eq!((involved.kind.as_deref(), involved.uid.as_deref()), (Some("TrafficSplit"), Some("u1")));
    assert_eq!(involved.api_version.as_deref(), Some("split.smi-spec.io/v1alpha4"));
    assert_eq!((event.type_.as_deref(), event.reason.as_deref()), (Some("Warning"), Some("PortMismatch")));
    let again = super::event(&object, "u1", &fault("no port 80"), Timestamp::UNIX_EPOCH);
    assert_eq!(event.metadata.name, again.metadata.name);
    let other = super::event(&object, "u2", &fault("no port 80"), Timestamp::UNIX_EPOCH);
    assert_ne!(event.metadata.name, other.metadata.name);
}

#[test]
fn an_event_of_an_object_outside_of_namespaces_is_where_describe_looks_for_it() {
    let object = ObjectRef { kind: Kind::MeshPeer, name: ObjectName::new("", "west") };
    let event = event(&object, "u1", &bad("not yet"), Timestamp::UNIX_EPOCH);
    assert_eq!(event.metadata.namespace.as_deref(), Some("default"));
    assert_eq!(event.involved_object.namespace, None);
}
