//! Who a gateway can be: itself, and nobody else.

use isthmus_core::{
    authorize::{Asked, Peer, authorize},
    id::{ObjectName, SpiffeId},
    inbound::{Grant, HttpScope, InboundPolicy, PolicyMode, PortSet, Source},
};
use isthmus_identity::Refused;

use crate::support::{
    control::Script,
    gateway::{Gateway, exporting, name_in},
    tls::{self, Pod, call, echo},
};

fn gateways_own() -> SpiffeId {
    "spiffe://isthmus.local/ns/isthmus-system/sa/isthmus-gateway".parse().unwrap()
}

/// Somebody with the gateway's key takes the callee's place: the caller finds out.
#[tokio::test]
async fn a_gateways_key_does_not_make_a_callee() {
    let script = Script::start().await;
    let thief = Pod::start_as(&script, &gateways_own()).await;
    let gateway = Gateway::start(&script, exporting(&[thief.addr])).await;
    let caller = script.tls(tls::id("caller").as_str());
    let error = call(gateway.addr, &name_in("west"), &caller, &tls::id("callee")).await.unwrap_err();
    assert!(matches!(Refused::of_io(&error), Some(Refused::Unexpected(id)) if *id == gateways_own()), "{error}");
}

/// Somebody with the gateway's key calls: the callee sees the gateway, which nothing is granted to.
#[tokio::test]
async fn a_gateways_key_does_not_make_a_caller() {
    let script = Script::start().await;
    let pod = Pod::start(&script, "callee").await;
    let gateway = Gateway::start(&script, exporting(&[pod.addr])).await;
    let thief = script.tls(gateways_own().as_str());
    let mut stream = call(gateway.addr, &name_in("west"), &thief, &pod.id).await.unwrap();
    echo(&mut stream, b"whoever is let in by TLS").await.unwrap();
    assert_eq!(pod.callers(), [gateways_own()]);
    let grant = Grant {
        name: ObjectName::new("shop", "target"),
        sources: vec![Source::Identity(tls::id("caller"))],
        tcp: Some(PortSet::All),
        udp: None,
        http: HttpScope::Opaque,
    };
    let policy = InboundPolicy { mode: PolicyMode::Enforce, grants: vec![grant], ..InboundPolicy::default() };
    let may = |id: &SpiffeId| authorize(&policy, Peer { identity: Some(id), addr: pod.addr.ip() }, 8080, Asked::Tcp);
    assert!(may(&tls::id("caller")).is_ok());
    assert!(may(&gateways_own()).is_err());
}
