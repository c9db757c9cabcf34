use isthmus_core::http_match::{HttpMatch, HttpMatchSpec};

use super::*;

fn full() -> Settings {
    let spec = HttpMatchSpec { name: "pay".into(), path_regex: Some("/pay".into()), ..HttpMatchSpec::default() };
    Settings {
        access_log: AccessLog { on: Some(true), format: Some(LogFormat::Text), sample: Some(Ratio::per_million(7)) },
        tracing: Tracing {
            sample: Some(Ratio::default()),
            routes: vec![SampledRoute {
                matches: vec![HttpMatch::compile(spec).unwrap()],
                ratio: Ratio::per_million(1_000_000),
            }],
        },
        families: Some(vec![Family::Istio, Family::Osm]),
    }
}

#[test]
fn settings_come_back_as_they_were() {
    let off = AccessLog { on: Some(false), ..AccessLog::default() };
    let json = AccessLog { format: Some(LogFormat::Json), ..AccessLog::default() };
    for settings in [
        Settings::default(),
        full(),
        Settings { access_log: off, families: Some(Vec::new()), ..Settings::default() },
        Settings { access_log: json, ..Settings::default() },
    ] {
        assert_eq!(decode(encode(&settings)).unwrap(), settings);
    }
}

#[test]
fn families_of_a_newer_controller_are_passed_over() {
    let message = proto::Telemetry { families: vec!["kuma".into(), "osm".into()], ..proto::Telemetry::default() };
    assert_eq!(decode(message).unwrap().families, Some(vec![Family::Osm]));
}

#[test]
fn a_share_of_more_than_all_is_refused_with_its_field() {
    let mut message = encode(&full());
    message.tracing.as_mut().unwrap().routes[0].per_million = 1_000_001;
    let text = decode(message).unwrap_err().to_string();
    assert!(text.contains("tracing.routes.per_million") && text.contains("1000001"), "{text}");
}
