use isthmus_core::{
    id::ObjectName,
    telemetry::settings::{LogFormat, Settings},
};
use serde_json::{Value, json};

use crate::{
    compile::{self, Reader},
    index::{Facts, Index},
    testing::*,
};

fn settings(index: &Index) -> Settings {
    compile::telemetry(&Reader::new(index), &ObjectName::new("shop", "web-1")).unwrap()
}

fn annotated(object: Value, annotations: Value) -> Value {
    with(object, "/metadata/annotations", annotations)
}

fn group(name: &str, path: &str, sampling: &str) -> Value {
    let group = object("HTTPRouteGroup", name, json!({"matches": [{"name": "m", "pathRegex": path}]}));
    annotated(group, json!({"isthmus.mesh/trace-sampling": sampling}))
}

#[test]
fn a_pod_is_seen_as_it_says_then_as_its_namespace_says() {
    let plain = pod("web-1", "web", "10.42.0.10");
    assert_eq!(settings(&index_of([plain.clone()])), Settings::default());
    let namespace = global("Namespace", "shop", Value::Null);
    let namespace =
        annotated(namespace, json!({"isthmus.mesh/access-log": "text", "isthmus.mesh/trace-sampling": "1"}));
    let both = settings(&index_of([plain.clone(), namespace.clone()]));
    assert_eq!((both.access_log.on, both.access_log.format), (Some(true), Some(LogFormat::Text)));
    let own = annotated(plain, json!({"isthmus.mesh/access-log": "off"}));
    let both = settings(&index_of([own, namespace]));
    assert_eq!((both.access_log.on, both.tracing.sample.unwrap().as_per_million()), (Some(false), 1_000_000));
}

#[test]
fn groups_of_the_namespace_sample_the_traces_of_their_requests() {
    let index = index_of([
        pod("web-1", "web", "10.42.0.10"),
        group("b", "/b", "0.5"),
        group("a", "/a", "0"),
        group("c", "/c", "x"),
    ]);
    let routes = settings(&index).tracing.routes;
    let told: Vec<_> =
        routes.iter().map(|r| (r.matches[0].spec().path_regex.as_deref().unwrap(), r.ratio.as_per_million())).collect();
    assert_eq!(told, [("/a", 0), ("/b", 500_000)]);
}

#[test]
fn what_is_written_later_is_read_again() {
    let mut index = index_of([pod("web-1", "web", "10.42.0.10"), group("a", "/a", "1")]);
    let reader = Reader::new(&index);
    compile::telemetry(&reader, &ObjectName::new("shop", "web-1"));
    let (read, _) = reader.into_parts();
    let plain = |name: &str| object("HTTPRouteGroup", name, json!({"matches": [{"name": "m", "pathRegex": "/x"}]}));
    let mut touches = |manifest: Value| {
        let mut facts = Facts::new();
        index.update(applied(manifest), &mut facts);
        !facts.is_disjoint(&read)
    };
    assert!(!touches(plain("other")), "a group that says nothing");
    assert!(touches(group("b", "/b", "0.5")));
    assert!(touches(plain("b")), "it says nothing any more");
    let namespace = global("Namespace", "shop", Value::Null);
    assert!(touches(annotated(namespace, json!({"isthmus.mesh/access-log": "off"}))));
}
