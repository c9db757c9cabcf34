use super::*;

fn row(mode: Mode, ratios: &[f64]) -> Row {
    let slices: Vec<_> = ratios.iter().map(|ratio| (Figures { cpu: 50.0 * ratio, rss_mib: 12.0 }, *ratio)).collect();
    Row::of(mode, &slices)
}

#[test]
fn modes_are_held_against_their_targets() {
    let rows = [row(Mode::Off, &[1.0]), row(Mode::Metrics, &[1.01, 1.2, 1.02]), row(Mode::All, &[1.2])];
    let table = report::table(&rows);
    assert!(table.contains("| metrics | 51.0 | 1.020 | 12.0 | at most 1.03: holds |"), "{table}");
    assert!(table.contains("| all three | 60.0 | 1.200 | 12.0 | at most 1.10: MISSED |"), "{table}");
    assert!(report::text(&rows).contains("off                            50.0    1.000     12.0      1\n"));
}

#[test]
fn only_what_is_asked_for_is_turned_on() {
    assert_eq!(Mode::Off.flags(), ["--no-metrics", "--no-access-log"]);
    assert_eq!(Mode::MetricsLogs.flags(), [""; 0]);
    assert!(Mode::All.flags().iter().any(|flag| flag == "--trace-sampling=0.01"));
}
