//! Weights of v1alpha1 are Kubernetes Quantities. They count in thousandths, as `MilliValue` does: `500m` and `1` are
//! in the ratio of 1 to 2.

use isthmus_core::broken::{self, Fault};
use serde_json::{Number, Value};

/// The thousandths of a Quantity, rounded away from zero. `None`: it isn't one, or too great.
pub(super) fn milli(value: &Value) -> Option<i64> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let (negative, text) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text.as_str()),
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, suffix) = text.split_at_checked(end)?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let (two, ten) = exponents(suffix)?;
    let mut amount: i128 = 0;
    for digit in whole.chars().chain(fraction.chars()) {
        amount = amount.checked_mul(10)?.checked_add(i128::from(digit.to_digit(10)?))?;
    }
    amount = amount.checked_mul(1_i128.checked_shl(two)?)?;
    let thousandths = if suffix.is_empty() && broken::is(Fault::QuantitiesUnscaled) { 0 } else { 3 };
    let ten = ten.checked_add(thousandths)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let power = 10_i128.checked_pow(ten.unsigned_abs());
    amount = match (amount, power) {
        (0, _) => 0,
        (amount, Some(power)) if ten >= 0 => amount.checked_mul(power)?,
        (amount, Some(power)) => amount.checked_add(power.checked_sub(1)?)?.checked_div(power)?,
        // Less than the smallest that can be said.
        (_, None) if ten < 0 => 1,
        (_, None) => return None,
    };
    i64::try_from(if negative { amount.checked_neg()? } else { amount }).ok()
}

/// What a suffix multiplies by: a power of two, and one of ten.
fn exponents(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "" => (0, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        exponent => (0, exponent.strip_prefix(['e', 'E'])?.parse().ok().filter(|e: &i32| e.unsigned_abs() < 100)?),
    })
}

/// The Quantity of so many thousandths as Kubernetes writes it. A weight that is no whole number, which only a laxer
/// schema than ours could have let in, counts as 0.
pub(super) fn canonical(weight: &Number) -> Value {
    let Some(milli) = weight.as_i64() else { return "0".into() };
    match (milli.checked_rem(1000), milli.checked_div(1000)) {
        (Some(0), Some(whole)) => whole.to_string().into(),
        _ => format!("{milli}m").into(),
    }
}
