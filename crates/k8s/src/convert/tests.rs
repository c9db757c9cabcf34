use serde_json::json;

use super::*;

mod arbitrary;
mod round_trips;

fn object(group: &str, version: &str, kind: &str, fields: Value) -> Value {
    let mut object = json!({"apiVersion": format!("{group}.smi-spec.io/{version}"), "kind": kind,
        "metadata": {"name": "o", "namespace": "shop"}});
    object.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    object
}

fn split(version: &str, spec: Value) -> Value {
    object("split", version, "TrafficSplit", json!({"spec": spec}))
}

fn to(object: &Value, version: &str) -> Value {
    try_to(object, version).unwrap()
}

fn try_to(object: &Value, version: &str) -> Result<Value, ConversionError> {
    let group = object["apiVersion"].as_str().unwrap().split('/').next().unwrap();
    convert(object.clone(), &format!("{group}/{version}"))
}

fn parked(object: &Value) -> Value {
    let text = object["metadata"]["annotations"][PARKED_ANNOTATION].as_str();
    text.map_or(Value::Null, |text| serde_json::from_str(text).unwrap())
}

#[test]
fn t1_weights_of_v1alpha1_are_quantities_by_milli_value() {
    let backends = |weights: [Value; 3]| {
        let [a, b, c] = weights;
        json!({"service": "web", "backends": [
            {"service": "a", "weight": a}, {"service": "b", "weight": b}, {"service": "c", "weight": c}]})
    };
    let old = split("v1alpha1", backends([json!("1e3"), json!("500m"), json!(100)]));
    let stored = to(&old, "v1alpha4");
    assert_eq!(stored["spec"], backends([json!(1_000_000), json!(500), json!(100_000)]));
    assert_eq!(to(&stored, "v1alpha1"), old);
    // What is changed counts, and is written as Kubernetes does.
    let mut changed = stored;
    changed["spec"]["backends"][0]["weight"] = json!(1500);
    changed["spec"]["backends"][2]["weight"] = json!(2000);
    assert_eq!(to(&changed, "v1alpha1")["spec"], backends([json!("1500m"), json!("500m"), json!("2")]));
}

#[test]
fn quantities() {
    let cases = [
        ("1", 1000),
        ("500m", 500),
        ("1.5", 1500),
        (".5", 500),
        ("1.", 1000),
        ("1k", 1_000_000),
        ("1Ki", 1_024_000),
        ("1u", 1),
        ("0n", 0),
        ("2e3", 2_000_000),
        ("2E-3", 2),
        ("1e-99", 1),
        ("-1", -1000),
        ("+1", 1000),
        ("0", 0),
    ];
    for (text, milli) in cases {
        assert_eq!(quantity::milli(&json!(text)), Some(milli), "{text}");
    }
    for text in ["", ".", "m", "1x", "1.2.3", "1e", "1e1.5", "--1", "1e100", "99999E", "1 ", "é"] {
        assert_eq!(quantity::milli(&json!(text)), None, "{text}");
    }
    assert_eq!(quantity::milli(&json!("9".repeat(1000))), None);
    assert_eq!(quantity::milli(&json!(null)), None);
}

#[test]
fn t2_a_client_of_v1alpha2_keeps_matches() {
    let matches = json!([{"kind": "HTTPRouteGroup", "name": "firefox"}]);
    let backend = |weight: u32| json!([{"service": "a", "weight": weight}]);
    let stored = split("v1alpha4", json!({"service": "web", "backends": backend(1), "matches": matches}));
    let mut read = to(&stored, "v1alpha2");
    assert_eq!(read["spec"], json!({"service": "web", "backends": backend(1)}));
    read["spec"]["backends"] = backend(2);
    let written = to(&read, "v1alpha4");
    assert_eq!(written["spec"], json!({"service": "web", "backends": backend(2), "matches": matches}));
    assert_eq!(parked(&written), Value::Null);
}

fn target(version: &str, port: Option<u16>) -> Value {
    let mut destination = json!({"kind": "ServiceAccount", "name": "a", "namespace": "shop"});
    if let Some(port) = port {
        destination["port"] = port.into();
    }
    let (rules, sources) =
        (json!([{"kind": "TCPRoute", "name": "r"}]), json!([{"kind": "ServiceAccount", "name": "b"}]));
    let fields = match version {
        "v1alpha1" => json!({"destination": destination, "specs": rules, "sources": sources}),
        _ => json!({"spec": {"destination": destination, "rules": rules, "sources": sources}}),
    };
    object("access", version, "TrafficTarget", fields)
}

#[test]
fn a_port_of_the_first_versions_still_limits_when_it_is_stored() {
    for old in ["v1alpha1", "v1alpha2"] {
        let stored = to(&target(old, Some(80)), "v1alpha4");
        assert_eq!(stored["spec"], target("v1alpha4", None)["spec"]);
        let limit = |object: &Value| parked_port(object);
        assert_eq!(limit(&stored), Ok(Some(80)));
        // A client of a version without ports changes the destination: what it can't see still holds.
        let mut read = to(&stored, "v1alpha3");
        read["spec"]["destination"]["name"] = "other".into();
        let written = to(&read, "v1alpha4");
        assert_eq!(limit(&written), Ok(Some(80)));
        assert_eq!(to(&written, "v1alpha1")["destination"]["port"], 80);
        // One that sees it may lift it.
        let mut read = to(&written, "v1alpha2");
        read["spec"]["destination"].as_object_mut().unwrap().remove("port");
        assert_eq!(limit(&to(&read, "v1alpha4")), Ok(None));
    }
}

fn parked_port(object: &Value) -> Result<Option<u16>, String> {
    parked::parked_port(&serde_json::from_value(object.clone()).unwrap())
}

#[test]
fn a_limit_that_cannot_be_read_is_known_as_such() {
    let with = |text: &str| {
        let mut stored = target("v1alpha4", None);
        stored["metadata"]["annotations"] = json!({PARKED_ANNOTATION: text});
        stored
    };
    for text in
        ["", "80", "{", r#"{"ports": 80}"#, r#"{"ports": {"destination": 0}}"#, r#"{"ports": {"destination": "80"}}"#]
    {
        assert!(parked_port(&with(text)).is_err(), "{text}");
        // It can be read in every version, and comes back as it was.
        let old = to(&with(text), "v1alpha2");
        match try_to(&old, "v1alpha4") {
            Ok(back) => assert_eq!(back, with(text)),
            Err(error) => assert!(error.to_string().contains("port"), "{error}"),
        }
    }
    assert_eq!(parked_port(&with(r#"{"else": 1}"#)), Ok(None));
}

#[test]
fn a_field_without_effect_is_not_taken_for_a_limit() {
    let stored = target("v1alpha4", Some(80));
    let old = to(&stored, "v1alpha2");
    assert_eq!(old["spec"], target("v1alpha2", None)["spec"]);
    assert_eq!(to(&old, "v1alpha4"), stored);
}

fn group(version: &str, matches: Value) -> Value {
    let fields = match version {
        "v1alpha1" | "v1alpha2" => json!({"matches": matches}),
        _ => json!({"spec": {"matches": matches}}),
    };
    object("specs", version, "HTTPRouteGroup", fields)
}

#[test]
fn headers_stay_with_their_match() {
    let entry = |name: &str, path: &str| json!({"name": name, "pathRegex": path});
    let guarded = |name: &str, path: &str| json!({"name": name, "pathRegex": path, "headers": {"who": "me"}});
    let stored = group("v1alpha4", json!([entry("open", "/o"), guarded("shut", "/s")]));
    let read = to(&stored, "v1alpha1");
    assert_eq!(read["matches"], json!([entry("open", "/o"), entry("shut", "/s")]));
    let written = |matches: Value| {
        let mut object = read.clone();
        object["matches"] = matches;
        to(&object, "v1alpha4")["spec"]["matches"].clone()
    };
    // Moved, changed, or renamed.
    assert_eq!(written(json!([entry("shut", "/s")])), json!([guarded("shut", "/s")]));
    assert_eq!(written(json!([entry("open", "/o"), entry("shut", "/x")]))[1], guarded("shut", "/x"));
    assert_eq!(written(json!([entry("open", "/o"), entry("new", "/s")]))[1], guarded("new", "/s"));
    // Gone: no other match gets them.
    assert_eq!(
        written(json!([entry("open", "/o"), entry("new", "/n")])),
        json!([entry("open", "/o"), entry("new", "/n")])
    );
}

#[test]
fn ports_of_a_route_come_back() {
    let stored = object("specs", "v1alpha4", "TCPRoute", json!({"spec": {"matches": {"ports": [80]}}}));
    for (version, shown) in [("v1alpha1", None), ("v1alpha2", None), ("v1alpha3", Some(json!({})))] {
        let read = to(&stored, version);
        assert_eq!(read.get("spec"), shown.as_ref());
        assert_eq!(to(&read, "v1alpha4"), stored);
        // What was parked can't be read any more: then it isn't known which ports were meant.
        let mut broken = read.clone();
        broken["metadata"]["annotations"][PARKED_ANNOTATION] = json!(r#"{"matches": {"ports": "all"}}"#);
        assert!(try_to(&broken, "v1alpha4").unwrap_err().to_string().contains(PARKED_ANNOTATION));
    }
}

#[test]
fn errors_name_field_and_value() {
    let bad = split("v1alpha1", json!({"service": "web", "backends": [{"service": "a", "weight": "much"}]}));
    let text = try_to(&bad, "v1alpha4").unwrap_err().to_string();
    assert!(text.contains("spec.backends[0].weight") && text.contains("much"), "{text}");
    let split = split("v1alpha4", json!({}));
    assert!(try_to(&split, "v1alpha9").unwrap_err().to_string().contains("v1alpha9"));
    assert!(matches!(convert(split.clone(), "other/v1alpha1"), Err(ConversionError::UnknownVersion { .. })));
    assert!(matches!(convert(json!({"kind": "Pod"}), "v1"), Err(ConversionError::UnknownKind { .. })));
    assert!(matches!(convert(json!(7), "v1"), Err(ConversionError::UnknownKind { .. })));
}
