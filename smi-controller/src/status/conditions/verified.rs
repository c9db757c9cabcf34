//! Of a split: whether its backends get the shares that it says.

use isthmus_core::shares::{self, Share};
use isthmus_k8s::{split::MeasuredBackend, status::Status};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{super::shares::Measured, of};
use crate::{compile::Checked, fault::Effect};

const KIND: &str = "WeightVerified";

/// What was found before: who has just begun to lead hasn't measured anything.
pub(super) fn kept<'a>(before: &'a Status, checked: &Checked, measured: Option<&Measured>) -> Option<&'a Condition> {
    let of_this = |condition: &&Condition| condition.observed_generation == Some(checked.generation);
    let before = before.condition(KIND).filter(of_this);
    before.filter(|_| measured.is_none() && of(checked, Effect::Excluded).is_empty())
}

/// Type, status, reason and message.
pub(super) fn verified(checked: &Checked, measured: Option<&Measured>) -> (&'static str, &'static str, String, String) {
    let (status, reason, message) = verdict(checked, measured);
    (KIND, status, reason.to_owned(), message)
}

fn verdict(checked: &Checked, measured: Option<&Measured>) -> (&'static str, &'static str, String) {
    const UNKNOWN: &str = "Unknown";
    if !of(checked, Effect::Excluded).is_empty() {
        return (UNKNOWN, "NotAccepted", "the object has no effect: see condition Accepted".to_owned());
    }
    let measured = match measured {
        None => return (UNKNOWN, "NotMeasured", "nothing has been measured of this generation yet".to_owned()),
        Some(Measured::Incomparable) => {
            let message = "a backend takes part at some of the root's ports alone, and ports aren't told apart";
            return (UNKNOWN, "PortMismatch", message.to_owned());
        }
        Some(Measured::Shares(shares)) => shares,
    };
    let all: Vec<Share> = measured.iter().map(|(_, share)| *share).collect();
    let requests = total(&all);
    match shares::judge(&all) {
        shares::Verdict::AsWanted { within } => {
            let message =
                format!("of {requests} requests each backend got its share, to within {:.1} points", within * 100.0);
            ("True", "SharesAsWanted", message)
        }
        shares::Verdict::Differs { index, wanted, got, within } => {
            let name = measured.get(index).map(|(service, _)| service.name.as_ref()).unwrap_or_default();
            let message = format!(
                "of {requests} requests backend {name} got {:.1}%, and was to get {:.1}%: chance explains {:.1} points",
                got * 100.0,
                wanted * 100.0,
                within * 100.0
            );
            ("False", "SharesDiffer", message)
        }
        shares::Verdict::TooFew => (UNKNOWN, "TooFewRequests", format!("{requests} requests are too few to tell")),
        shares::Verdict::NothingDealt => {
            (UNKNOWN, "NothingDealt", "no backend has a weight: the root's own endpoints get everything".to_owned())
        }
    }
}

fn total(shares: &[Share]) -> u64 {
    shares.iter().fold(0, |sum, share| sum.saturating_add(share.requests))
}

/// The same as figures.
pub(in crate::status) fn backends(measured: Option<&Measured>) -> Option<Vec<MeasuredBackend>> {
    let Some(Measured::Shares(shares)) = measured else { return None };
    let requests = total(&shares.iter().map(|(_, share)| *share).collect::<Vec<_>>());
    let backend = |(service, share): &(isthmus_core::id::ObjectName, Share)| MeasuredBackend {
        service: service.name.to_string(),
        weight: share.weight,
        share: format!("{:.1}%", 100.0 * share.requests as f64 / requests.max(1) as f64),
        requests: share.requests,
    };
    Some(shares.iter().map(backend).collect())
}
