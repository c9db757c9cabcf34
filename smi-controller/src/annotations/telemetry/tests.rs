use super::*;

fn read(annotations: &[(&str, &str)]) -> (Said, Vec<String>) {
    Said::read(&annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
}

fn said(annotations: &[(&str, &str)]) -> Said {
    let (said, faults) = read(annotations);
    assert_eq!(faults, [""; 0]);
    said
}

#[test]
fn every_annotation_is_read() {
    let log = |on, format| AccessLog { on, format, sample: None };
    assert_eq!(said(&[]), Said::default());
    assert_eq!(said(&[(ACCESS_LOG, "off")]).access_log, log(Some(false), None));
    assert_eq!(said(&[(ACCESS_LOG, "json")]).access_log, log(Some(true), Some(LogFormat::Json)));
    assert_eq!(said(&[(ACCESS_LOG, "text")]).access_log, log(Some(true), Some(LogFormat::Text)));
    assert_eq!(said(&[(ACCESS_LOG_SAMPLE, "0.5")]).access_log.sample, Some(Ratio::per_million(500_000)));
    assert_eq!(said(&[(TRACE_SAMPLING, "0.01")]).trace_sampling, Some(Ratio::per_million(10_000)));
    assert_eq!(said(&[(METRIC_FAMILIES, "osm, linkerd,osm")]).families, Some(vec![Family::Linkerd, Family::Osm]));
    assert_eq!(said(&[(METRIC_FAMILIES, "none")]).families, Some(Vec::new()));
}

#[test]
fn what_cannot_be_read_is_told_and_counts_as_not_written() {
    let bad = [(ACCESS_LOG, "yes"), (ACCESS_LOG_SAMPLE, "50%"), (TRACE_SAMPLING, "2"), (METRIC_FAMILIES, "osm,kuma")];
    let (said, faults) = read(&bad);
    assert_eq!(said, Said::default());
    assert_eq!(faults.len(), bad.len());
    for ((key, value), fault) in bad.iter().zip(&faults) {
        assert!(
            fault.contains(key) && fault.contains(value) && (fault.contains("write") || fault.contains("from 0 to 1")),
            "{fault}"
        );
    }
}

#[test]
fn a_pod_says_each_thing_over_what_its_namespace_says() {
    let namespace = said(&[(ACCESS_LOG, "json"), (ACCESS_LOG_SAMPLE, "0.1"), (TRACE_SAMPLING, "1")]);
    let both = said(&[(ACCESS_LOG, "off"), (METRIC_FAMILIES, "none")]).or(&namespace);
    assert_eq!(both.access_log, AccessLog { on: Some(false), ..namespace.access_log });
    assert_eq!((both.trace_sampling, both.families), (Some(Ratio::per_million(1_000_000)), Some(Vec::new())));
}
