//! Numbers as Kubernetes writes them.

/// A `Quantity` in its canonical form, to a thousandth: no fractional digits, the largest unit that keeps it whole.
pub(crate) fn quantity(value: f64) -> String {
    const UNITS: [&str; 8] = ["m", "", "k", "M", "G", "T", "P", "E"];
    // What isn't a number is nothing that was counted. Casting saturates.
    let mut whole = if value.is_finite() { (value * 1000.0).round().max(0.0) as u64 } else { 0 };
    if whole == 0 {
        return "0".to_owned();
    }
    let mut unit = 0;
    while whole.is_multiple_of(1000) && unit + 1 < UNITS.len() {
        whole /= 1000;
        unit += 1;
    }
    format!("{whole}{}", UNITS.get(unit).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_canonical() {
        for (value, text) in [
            (0.0, "0"),
            (-1.0, "0"),
            (f64::NAN, "0"),
            (f64::INFINITY, "0"),
            (0.0004, "0"),
            (0.001, "1m"),
            (28.58, "28580m"),
            (294.0, "294"),
            (296.875, "296875m"),
            (1000.0, "1k"),
            (1500.0, "1500"),
            (73_492_000.0, "73492k"),
            (2e9, "2G"),
        ] {
            assert_eq!(quantity(value), text, "{value}");
        }
    }
}
