use super::*;

fn figures(cpu: f64) -> Figures {
    Figures {
        cpu,
        p50_us: 50.0,
        p99_us: 200.0,
        p999_us: 400.0,
        rps: 9000.0,
        rss_idle_mib: 8.0,
        rss_loaded_mib: 14.0,
        rss_1000_mib: 61.0,
    }
}

fn rows() -> Vec<Row> {
    let case = Case::TwoHopMtlsH1;
    vec![
        Row::of(case, Peer::None, &[Figures::default()]),
        Row::of(case, Peer::Isthmus, &[figures(30.0), figures(90.0), figures(33.0)]),
        Row::of(case, Peer::Haproxy, &[figures(36.0), figures(30.0)]),
        Row::of(Case::TwoHopMtlsTcp, Peer::Isthmus, &[figures(0.9)]),
    ]
}

#[test]
fn json_has_the_fields_of_its_readers() {
    let value = serde_json::to_value(rows()).unwrap();
    let keys = |index: usize| value[index].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let common = [
        "case",
        "p50_us",
        "p999_us",
        "p99_us",
        "peer",
        "rps",
        "rss_1000_mib",
        "rss_idle_mib",
        "rss_loaded_mib",
        "runs",
    ];
    let with = |cpu: &str| {
        let mut all: Vec<String> = common.iter().map(ToString::to_string).chain([cpu.to_owned()]).collect();
        all.sort();
        all
    };
    assert_eq!((keys(1), keys(3)), (with("cpu_us_per_request"), with("cpu_s_per_gib")));
    assert_eq!((&value[1]["case"], &value[1]["peer"]), (&"two-hop-mtls-h1".into(), &"isthmus".into()));
    assert_eq!((&value[1]["cpu_us_per_request"], &value[1]["runs"]), (&33.0.into(), &3.into()));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("results.json");
    write(&file, &rows()).unwrap();
    assert_eq!(read(&file).unwrap(), rows());
}

#[test]
fn ratios_are_the_sidecar_over_the_peer() {
    let ratios = ratios(&rows());
    let [ratio] = ratios.as_slice() else { panic!("{ratios:?}") };
    assert_eq!((ratio.peer, ratio.cpu, ratio.p99), (Peer::Haproxy, 1.0, 1.0));
}

#[test]
fn targets_are_held_or_missed() {
    let targets = targets::check(&rows());
    let missed: Vec<String> = targets.iter().filter(|t| !t.holds()).map(ToString::to_string).collect();
    assert_eq!(
        missed,
        [
            "MISSED two-hop-mtls-h1    RSS with 1,000 connections, MiB: 61.00, at most 60",
            "MISSED two-hop-mtls-tcp   RSS with 1,000 connections, MiB: 61.00, at most 60",
        ]
    );
    assert!(targets.iter().any(|t| t.what == "CPU / haproxy" && t.measured == 1.0 && t.holds()));
}

#[test]
fn only_what_is_between_the_markers_of_a_page_is_replaced() {
    let page = "# Title\n<!-- results: begin (written by cargo xtask bench --docs) -->\nstale figures\n<!-- results: end -->\nend\n";
    let replaced = docs::replace(page, &docs::tables(&rows())).unwrap();
    assert!(replaced.starts_with("# Title\n") && replaced.ends_with("<!-- results: end -->\nend\n"), "{replaced}");
    assert!(replaced.contains("| isthmus | 33.00 | 50 | 200 | 400 | 9000 | 8.0 | 14.0 | 61.0 |"), "{replaced}");
    assert!(!replaced.contains("stale figures"));
    // Once more gives the same.
    assert_eq!(docs::replace(&replaced, &docs::tables(&rows())).as_ref(), Some(&replaced));
    assert_eq!(docs::replace("no markers", ""), None);
}

#[test]
fn charts_show_every_peer_of_every_case() {
    let dir = tempfile::tempdir().unwrap();
    svg::write(dir.path(), &rows()).unwrap();
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    let (cpu, latency) = (read("bench-cpu.svg"), read("bench-latency.svg"));
    assert_eq!(cpu.matches("<rect").count(), 3, "no proxy has no CPU: {cpu}");
    assert_eq!(latency.matches("<rect").count(), 8, "two values each: {latency}");
    assert!(cpu.contains(">33.00 µs/request</text>") && cpu.contains(">0.90 s/GiB</text>"), "{cpu}");
}
