use super::*;

#[test]
fn a_median_is_in_the_middle() {
    assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
    assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
    assert_eq!(median([7.0]), 7.0);
    assert_eq!(median([]), 0.0);
}

#[test]
fn quantiles_are_of_the_nearest_rank() {
    let mut latencies = Latencies::default();
    for micros in (1..=1000).rev() {
        latencies.record(Duration::from_micros(micros));
    }
    assert_eq!(latencies.quantiles_us([0.5, 0.99, 0.999, 1.0]), [500.0, 990.0, 999.0, 1000.0]);
}

#[test]
fn no_samples_have_no_quantiles() {
    assert_eq!(Latencies::default().quantiles_us([0.5, 0.99]), [0.0, 0.0]);
}
