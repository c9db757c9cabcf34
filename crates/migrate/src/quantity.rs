//! Weights: whole numbers, or Kubernetes Quantities as SMI v1alpha1 and Linkerd have them.

use serde_json::Value;

/// A Quantity in thousandths, rounded up as `MilliValue` does. `None` when it isn't one, or is negative.
pub(crate) fn milli(value: &Value) -> Option<u128> {
    match value {
        Value::Number(number) => parse(&number.to_string()),
        Value::String(text) => parse(text),
        _ => None,
    }
}

fn parse(text: &str) -> Option<u128> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // More digits than these are no weight, and would not fit.
    if whole.len() + fraction.len() == 0 || whole.len() > 15 || fraction.len() > 9 || fraction.contains('.') {
        return None;
    }
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let (times, tenths) = scale(suffix)?;
    // In 10⁻⁹ of a thousandth, so that nothing is lost before it is rounded.
    let fraction_digits = u32::try_from(fraction.len()).ok()?;
    let shift = 9 + 3 + tenths - i32::try_from(fraction_digits).ok()?;
    let scaled = match u32::try_from(shift) {
        Ok(shift) => digits.checked_mul(times)?.checked_mul(10u128.checked_pow(shift)?)?,
        Err(_) => digits.checked_mul(times)?.div_ceil(10u128.checked_pow(shift.unsigned_abs())?),
    };
    Some(scaled.div_ceil(1_000_000_000))
}

/// A suffix, as a factor and a power of ten.
fn scale(suffix: &str) -> Option<(u128, i32)> {
    Some(match suffix {
        "" => (1, 0),
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        _ => (1, suffix.strip_prefix(['e', 'E'])?.parse().ok().filter(|power| (-9..=9).contains(power))?),
    })
}

/// Weights as whole numbers that stand in the same proportion. `None` when no such fit.
pub(crate) fn weights(milli: &[u128]) -> Option<Vec<u32>> {
    let fits = |divisor: u128| -> Option<Vec<u32>> {
        milli.iter().map(|weight| u32::try_from(weight / divisor).ok()).collect()
    };
    // As written, if they are whole; else in thousandths; else as small as the proportion can be said.
    if milli.iter().all(|weight| weight % 1000 == 0)
        && let Some(whole) = fits(1000)
    {
        return Some(whole);
    }
    let common = milli.iter().copied().fold(0, gcd).max(1);
    fits(1).or_else(|| fits(common))
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests;
