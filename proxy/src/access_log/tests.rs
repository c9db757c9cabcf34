use std::{
    collections::BTreeMap,
    rc::Rc,
    sync::{LazyLock, Mutex},
    time::Duration,
};

use isthmus_core::{
    id::{ObjectName, SpiffeId},
    telemetry::Workload,
    trace::{Ratio, TraceId},
};
use serde_json::Value;

use super::*;

#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Lines for Kept {
    fn lane(&self) -> Box<dyn Lane> {
        Box::new(self.clone())
    }
}

impl Lane for Kept {
    fn put(&self, write: &mut dyn FnMut(&mut Vec<u8>)) {
        write(&mut self.0.lock().unwrap());
    }
}

fn full(peer: &SpiffeId, workload: Workload) -> Record<'_> {
    Record {
        ended: Some(Stamp::of(Duration::from_secs(1))),
        direction: "outbound",
        protocol: "grpc",
        client: Some("10.42.0.9:40000".parse().unwrap()),
        peer: Some(peer),
        workload: Some(Arc::new(workload)),
        service: Some("shop/web"),
        method: Some("POST"),
        path: Some("/a\"b=c d"),
        status: Some(200),
        grpc_status: Some(14),
        deny: Some("no-grant"),
        error: Some("upstream-closed"),
        took: Duration::from_micros(1234),
        received: 5,
        sent: 6,
        split: Some("shop/canary"),
        backend: Some("shop/v2"),
        retries: 1,
        grant: Some(grant()),
        endpoint: Some("10.42.0.10:8080".parse().unwrap()),
        trace: TraceId::new([7; 16]),
        alike: Alike::No,
    }
}

fn grant() -> &'static ObjectName {
    static GRANT: LazyLock<ObjectName> = LazyLock::new(|| ObjectName::new("shop", "web-callers"));
    &GRANT
}

fn peer() -> (SpiffeId, Workload) {
    let id: SpiffeId = "spiffe://west.local/ns/shop/sa/web".parse().unwrap();
    let workload = Workload {
        mesh: "west.local".into(),
        namespace: "shop".into(),
        service_account: "web".into(),
        kind: "Deployment".into(),
        name: "web".into(),
        pod: "web-5d8f-abcde".into(),
    };
    (id, workload)
}

fn written(record: &Record<'_>, format: LogFormat) -> String {
    let mut text = Vec::new();
    line::write(record, format, &mut text);
    String::from_utf8(text).unwrap()
}

/// The names and types of the table in the documentation, in its order.
fn documented() -> Vec<(String, String)> {
    let page = include_str!("../../../docs/access-log.md");
    let table = page.split("| field | type |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let mut cells = line.split('|').skip(1).map(str::trim);
        let name = cells.next().unwrap().trim_matches('`').to_owned();
        (name, cells.next().unwrap().split([',', ' ']).next().unwrap().to_owned())
    };
    rows.map(row).collect()
}

#[test]
fn a_line_has_the_documented_fields_in_the_documented_order() {
    let (id, workload) = peer();
    let text = written(&full(&id, workload), LogFormat::Json);
    let line: Value = serde_json::from_str(&text).unwrap();
    let mut places = BTreeMap::new();
    for (name, kind) in documented() {
        let value = line.get(&name).unwrap_or_else(|| panic!("{name} isn't in {text}"));
        assert_eq!(if value.is_string() { "string" } else { "number" }, kind, "{name}");
        places.insert(text.find(&format!("\"{name}\":")).unwrap(), name);
    }
    let names: Vec<_> = documented().into_iter().map(|(name, _)| name).collect();
    assert_eq!(places.into_values().collect::<Vec<_>>(), names);
    assert_eq!(line.as_object().unwrap().len(), names.len(), "{text}");
    assert_eq!(line["path"], "/a\"b=c d");
}

#[test]
fn text_says_the_same() {
    let (id, workload) = peer();
    let text = written(&full(&id, workload), LogFormat::Text);
    assert!(
        text.starts_with("timestamp=1970-01-01T00:00:01.000000Z level=INFO target=access direction=outbound "),
        "{text}"
    );
    assert!(text.contains(r#" path="/a\"b=c d" status=200 "#), "{text}");
    for (name, _) in documented() {
        assert!(text.contains(&format!("{name}=")), "{name}");
    }
    assert_eq!(text.matches('\n').count(), 1);
}

#[test]
fn what_lines_have_in_common_is_written_once() {
    let (id, workload) = peer();
    let whole = full(&id, workload);
    for format in [LogFormat::Json, LogFormat::Text] {
        let other = Record { client: "10.0.0.1:1".parse().ok(), status: Some(404), ..whole.clone() };
        let (connection, endpoint) = (Memo::default(), Rc::new(Memo::default()));
        for record in [&whole, &other, &whole] {
            let alike = Record { alike: Alike::Endpoint(Rc::clone(&endpoint)), ..record.clone() };
            assert_eq!(written(&alike, format), written(record, format));
            let alike = Record { alike: Alike::Connection(&connection), client: whole.client, ..record.clone() };
            assert_eq!(written(&alike, format), written(&Record { client: whole.client, ..record.clone() }, format));
        }
        // What was kept is what is written, whatever the record would tell anew.
        let changed = Record { service: Some("shop/other"), ..whole.clone() };
        for alike in [Alike::Endpoint(endpoint), Alike::Connection(&connection)] {
            assert_eq!(written(&Record { alike, ..changed.clone() }, format), written(&whole, format));
        }
        // A line of the other form isn't made of parts of this one.
        let form = if format == LogFormat::Json { LogFormat::Text } else { LogFormat::Json };
        let alike = Record { alike: Alike::Connection(&connection), ..whole.clone() };
        assert_eq!(written(&alike, form), written(&whole, form));
    }
}

#[test]
fn nobody_can_write_a_second_line() {
    let record = Record { path: Some("/a\nb\r\u{1b}[31m"), ..Record::default() };
    for format in [LogFormat::Json, LogFormat::Text] {
        let text = written(&record, format);
        assert!(!text.trim_end_matches('\n').contains(['\n', '\r', '\u{1b}']), "{text:?}");
    }
}

#[test]
fn every_text_comes_back() {
    let texts =
        ["", "plain", "a\"b", "\\", "\t", "\u{0}", "\u{7f}", "é日🦀", "\u{2028}", "0123456789abcdef\u{1f}0123456789"];
    for text in texts {
        let record = Record { path: Some(text), method: Some("GET"), ..Record::default() };
        let line: Value = serde_json::from_str(&written(&record, LogFormat::Json)).unwrap();
        assert_eq!(line["path"], text);
    }
}

#[test]
fn addresses_and_numbers_are_written_as_elsewhere() {
    for addr in ["0.0.0.0:0", "255.255.255.255:65535", "10.42.0.9:80", "[::1]:8080", "[fe80::1]:1"] {
        for number in [0, 9, 10, u64::MAX] {
            let record = Record { client: addr.parse().ok(), sent: number, ..Record::default() };
            let line: Value = serde_json::from_str(&written(&record, LogFormat::Json)).unwrap();
            assert_eq!((line["client"].as_str(), line["bytes_out"].as_u64()), (Some(addr), Some(number)));
            assert!(written(&record, LogFormat::Text).contains(&format!("client={addr} ")));
        }
    }
}

#[test]
fn a_sample_leaves_out_what_went_well_and_nothing_else() {
    let kept = Arc::new(Kept::default());
    let settings = Settings { on: false, lines: Arc::clone(&kept) as _, ..Settings::default() };
    let log = AccessLog::new(settings, 1);
    assert!(!log.is_on(Instant::now()));
    log.set(Said { on: Some(true), format: None, sample: Some(Ratio::default()) });
    assert!(log.is_on(Instant::now()));
    let well = |status| Record { status: Some(status), ..Record::default() };
    for record in [
        well(503),
        well(0),
        Record { deny: Some("no-grant"), ..well(200) },
        Record { error: Some("loop"), ..Record::default() },
        well(200),
        well(404),
        Record::default(),
    ] {
        log.write(&record);
    }
    let lines = || String::from_utf8(kept.0.lock().unwrap().clone()).unwrap().lines().count();
    assert_eq!(lines(), 4);
    log.set(Said { on: Some(true), format: None, sample: "0.5".parse().ok() });
    (0..1000).for_each(|_| log.write(&well(200)));
    assert!((400..600).contains(&(lines() - 4)), "{}", lines());
}
