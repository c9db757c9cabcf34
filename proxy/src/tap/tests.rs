use isthmus_core::telemetry::tap::Filter;
use prometheus::Opts;

use super::*;

fn tap(id: u64, per_second: u32) -> Tap {
    let filter = Filter { method: Some("GET".into()), ..Filter::default() };
    Tap { id, filter, per_second, lasts: Duration::from_secs(60) }
}

fn taps(room: usize) -> (Taps, mpsc::Receiver<Tapped>) {
    let (told, heard) = mpsc::channel(room);
    (Taps::new(told, IntCounterVec::new(Opts::new("n", "h"), &["outcome"]).unwrap()), heard)
}

fn get() -> Record<'static> {
    Record { direction: "inbound", method: Some("GET"), path: Some("/a"), ..Record::default() }
}

fn all(heard: &mut mpsc::Receiver<Tapped>) -> Vec<Tapped> {
    std::iter::from_fn(|| heard.try_recv().ok()).collect()
}

#[test]
fn only_what_is_asked_for_is_told_and_only_while_somebody_asks() {
    let (taps, mut heard) = taps(10);
    assert!(taps.are_idle());
    taps.set(&[tap(7, 10)], 1, Duration::ZERO);
    assert!(!taps.are_idle());
    taps.see(&get(), Duration::ZERO);
    taps.see(&Record { method: Some("POST"), ..get() }, Duration::ZERO);
    let told = all(&mut heard);
    assert_eq!((told.len(), told[0].tap, told[0].missed), (1, 7, 0));
    let record: serde_json::Value = serde_json::from_slice(&told[0].records[0]).unwrap();
    assert_eq!((&record["path"], &record["target"]), (&"/a".into(), &"access".into()));
    taps.set(&[], 1, Duration::ZERO);
    assert!(taps.are_idle());
}

#[test]
fn a_tap_that_nobody_ends_ends_by_itself() {
    let (taps, mut heard) = taps(10);
    taps.set(&[tap(7, 10)], 1, Duration::ZERO);
    taps.see(&get(), Duration::from_secs(60));
    assert!(taps.are_idle() && all(&mut heard).is_empty());
}

#[test]
fn a_flood_is_cut_to_the_rate_and_what_is_missed_is_told() {
    let (taps, mut heard) = taps(100);
    taps.set(&[tap(7, 10)], 2, Duration::ZERO);
    (0..1000).for_each(|_| taps.see(&get(), Duration::ZERO));
    assert_eq!(all(&mut heard).len(), 5, "of two workers each half");
    // What changes for others leaves it as it was.
    taps.set(&[tap(8, 1), tap(7, 10)], 2, Duration::ZERO);
    taps.see(&get(), Duration::ZERO);
    assert_eq!(all(&mut heard).iter().map(|t| t.tap).collect::<Vec<_>>(), [8]);
    taps.see(&get(), Duration::from_secs(1));
    let told = all(&mut heard);
    assert_eq!(told.iter().find(|t| t.tap == 7).unwrap().missed, 996);
    assert_eq!(taps.counts.with_label_values(&["missed"]).get(), 996);
}

#[test]
fn a_reader_who_is_slow_misses_and_nobody_waits() {
    let (taps, mut heard) = taps(1);
    taps.set(&[tap(7, 100)], 1, Duration::ZERO);
    (0..3).for_each(|_| taps.see(&get(), Duration::ZERO));
    assert_eq!(all(&mut heard).len(), 1);
    taps.see(&get(), Duration::ZERO);
    assert_eq!(all(&mut heard)[0].missed, 2);
}
