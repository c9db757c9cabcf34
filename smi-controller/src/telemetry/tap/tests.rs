use isthmus_core::{
    id::ObjectName,
    telemetry::tap::{Filter, LONGEST, Peer, Status},
};

use super::*;
use crate::index::{TapAt, TapTarget};

fn read(path: &str) -> Result<Request, Failure> {
    request::read(&Method::GET, &path.parse().unwrap())
}

fn tap(path: &str) -> TapAt {
    match read(&format!("/apis/tap.isthmus.mesh/v1alpha1/watch/namespaces/{path}")) {
        Ok(Request::Tap(at)) => *at,
        other => panic!("{other:?}"),
    }
}

#[test]
fn pods_are_named_by_what_they_belong_to() {
    assert_eq!(tap("shop/tap").target, TapTarget::All);
    assert_eq!(tap("shop/pods/web-1/tap").target, TapTarget::Pod("web-1".into()));
    assert_eq!(tap("shop/services/web/tap").target, TapTarget::Service("web".into()));
    let at = tap("shop/deployments/web/tap");
    assert_eq!((&*at.namespace, at.target), ("shop", TapTarget::Owner("Deployment".into(), "web".into())));
    for path in ["", "/v1alpha1/namespaces/shop/pods/a/tap", "/v1alpha1/watch/namespaces/shop/secrets/a/tap", "/v1"] {
        let read = read(&format!("/apis/tap.isthmus.mesh{path}"));
        assert_eq!(read.is_ok(), path.is_empty(), "{path}");
    }
}

#[test]
fn what_is_wanted_is_in_the_query() {
    let at = tap(
        "shop/pods/web-1/tap?direction=outbound&method=GET&path=%2Fa%20b&status=5xx&service=shop/api&maxRps=7&seconds=60\
                  &peerNamespace=shop&peerKind=Deployment&peerName=api",
    );
    let peer = Peer { namespace: "shop".into(), kind: "Deployment".into(), name: "api".into(), ..Peer::default() };
    let filter = Filter {
        inbound: Some(false),
        method: Some("GET".into()),
        path_prefix: Some("/a b".into()),
        status: Some(Status::Class(5)),
        peer: Some(peer),
        service: Some(ObjectName::new("shop", "api")),
    };
    assert_eq!((at.tap.filter, at.tap.per_second, at.tap.lasts), (filter, 7, Duration::from_secs(60)));
    let plain = tap("shop/tap").tap;
    assert_eq!((plain.filter, plain.per_second), (Filter::default(), 100));
    assert!(plain.lasts <= LONGEST && plain.id != tap("shop/tap").tap.id);
}

#[test]
fn what_cannot_be_read_is_named() {
    for (query, part) in [
        ("status=600", "status"),
        ("status=7xx", "status"),
        ("direction=up", "inbound or outbound"),
        ("maxRps=0", "1 to 100"),
        ("seconds=3601", "1 to 3600"),
        ("service=web", "namespace/name"),
        ("methd=GET", "no such parameter"),
        ("path=", "1 to 1024"),
    ] {
        let failure = read(&format!("/apis/tap.isthmus.mesh/v1alpha1/watch/namespaces/shop/tap?{query}")).unwrap_err();
        let status = failure.status();
        assert_eq!(status["code"], 400);
        assert!(status["message"].as_str().unwrap().contains(part), "{status}");
    }
}
