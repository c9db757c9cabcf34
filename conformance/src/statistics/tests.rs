use super::*;

fn asked(shares: &[(&str, u32)]) -> Shares {
    shares.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect()
}

fn seen(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
    counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[test]
fn nothing_and_everything_are_exact() {
    assert!(fit(&asked(&[("b", 100), ("c", 0)]), &seen(&[("b", 500)])));
    assert!(!fit(&asked(&[("b", 100), ("c", 0)]), &seen(&[("b", 499), ("c", 1)])));
    assert!(!fit(&asked(&[("b", 100)]), &seen(&[("b", 499), ("d", 1)])), "whoever isn't named has nothing");
    assert!(!fit(&asked(&[("b", 100)]), &seen(&[])), "no answer is no share");
}

#[test]
fn other_shares_may_be_off_by_five_points() {
    let asked = asked(&[("b", 75), ("c", 25)]);
    assert!(fit(&asked, &seen(&[("b", 375), ("c", 125)])));
    assert!(fit(&asked, &seen(&[("b", 400), ("c", 100)])), "just inside");
    assert!(!fit(&asked, &seen(&[("b", 401), ("c", 99)])), "just outside");
    assert!(!fit(&asked, &seen(&[("b", 250), ("c", 250)])), "equal weights show");
}

/// What the module's documentation claims, computed: the probability that 500 draws at 50 % are inside.
#[test]
fn a_right_share_is_seldom_outside() {
    let (n, p) = (f64::from(ENOUGH), 0.5_f64);
    let mut log = n * (1.0 - p).ln();
    let mut inside = 0.0;
    for k in 0..=ENOUGH {
        let k = f64::from(k);
        if (k * 100.0 / n - 50.0).abs() <= TOLERANCE {
            inside += log.exp();
        }
        log += ((n - k) / (k + 1.0)).ln() + (p / (1.0 - p)).ln();
    }
    assert!(inside > 0.974, "{inside}");
    assert!(1.0 - (1.0 - inside) * (1.0 - inside) > 0.999);
}
