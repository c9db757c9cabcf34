//! The conditions of an object: a pure function of what is wrong with it and how far it has come.

use isthmus_core::broken;
use isthmus_k8s::status::Status;
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

use super::shares::Measured;
use crate::{
    compile::Checked,
    fault::{Effect, Fault, Kind, Reason},
    index::UDP_NOT_ENFORCED,
    serve::{InEffect, Link},
};

mod verified;

pub(super) use verified::backends;

/// Longest message of a condition, in bytes.
const MAX_MESSAGE: usize = 8 << 10;

/// The status that an object should have. What hasn't changed keeps its time.
pub(super) fn status(
    kind: Kind,
    before: &Status,
    checked: &Checked,
    effect: &InEffect,
    link: Option<&Link>,
    measured: Option<&Measured>,
    now: Timestamp,
) -> Status {
    let generation = if broken::is(broken::Fault::StaleStatus) { 1 } else { checked.generation };
    let conditions = match kind {
        Kind::Mesh => vec![accepted(checked), connected(link)],
        Kind::MeshPeer => {
            let names = link.and_then(|link| link.names.as_ref()).map(named);
            [accepted(checked), connected(link), trusted(checked, effect)].into_iter().chain(names).collect()
        }
        // A route that every proxy has heard of, and none enforces, isn't in effect.
        Kind::UdpRoute => vec![accepted(checked), resolved(checked), unenforced()],
        _ => vec![accepted(checked), resolved(checked), programmed(checked, effect)],
    };
    let decided = conditions.into_iter().map(|(kind, holds, reason, message)| {
        let status = if holds { "True" } else { "False" };
        (kind, status, reason, message)
    });
    let kept = verified::kept(before, checked, measured);
    let shares = (kind == Kind::TrafficSplit && kept.is_none()).then(|| verified::verified(checked, measured));
    let conditions = decided.chain(shares).map(|(kind, status, reason, message)| {
        let since = before.condition(kind).filter(|c| c.status == status).map(|c| c.last_transition_time.clone());
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason,
            message: shorten(message),
            observed_generation: Some(checked.generation),
            last_transition_time: since.unwrap_or(Time(now)),
        }
    });
    let conditions = conditions.chain(kept.cloned()).collect();
    Status { observed_generation: Some(generation), conditions }
}

type Verdict = (&'static str, bool, String, String);

fn accepted(checked: &Checked) -> Verdict {
    let faults = |effect| of(checked, effect);
    let worst = [faults(Effect::Excluded), faults(Effect::PartlyRefused)].into_iter().find(|f| !f.is_empty());
    verdict("Accepted", "Accepted", "the object is well formed", &worst.unwrap_or_default())
}

fn resolved(checked: &Checked) -> Verdict {
    verdict("ResolvedRefs", "ResolvedRefs", "everything that it names is there", &of(checked, Effect::Unresolved))
}

fn programmed(checked: &Checked, effect: &InEffect) -> Verdict {
    const KIND: &str = "Programmed";
    if !of(checked, Effect::Excluded).is_empty() {
        return (KIND, false, "NotAccepted".into(), "the object has no effect: see condition Accepted".into());
    }
    if effect.concerned == 0 && effect.is_complete() {
        return (KIND, true, "Unused".into(), "no proxy uses it yet".into());
    }
    counted(KIND, "proxies", effect)
}

fn unenforced() -> Verdict {
    ("Programmed", false, Reason::NotEnforced.as_str().into(), UDP_NOT_ENFORCED.into())
}

/// By how many of the proxies it is in effect; with one of those where it isn't, or with what isn't known yet.
fn counted(kind: &'static str, what: &str, effect: &InEffect) -> Verdict {
    let InEffect { concerned, programmed, behind, refused, unknown, .. } = effect;
    let count = format!("{programmed}/{concerned} {what}");
    if effect.is_complete() {
        return (kind, true, kind.into(), count);
    }
    if let Some((pod, why)) = refused {
        return (kind, false, "Refused".into(), format!("{count}; the proxy of {pod} refused it: {why}"));
    }
    let waiting = behind.as_ref().map(|pod| format!("the proxy of {pod}"));
    let waiting = waiting.or_else(|| unknown.clone()).map(|whom| format!("{count}; waiting for {whom}"));
    (kind, false, "Pending".into(), waiting.unwrap_or(count))
}

fn connected(link: Option<&Link>) -> Verdict {
    match link {
        Some(link) => ("Connected", link.up, link.reason.to_owned(), link.message.clone()),
        None => ("Connected", false, "NotConnected".into(), "nothing has been heard yet".into()),
    }
}

/// Where a peer's gateways have names: whether they are known.
fn named(names: &Result<String, String>) -> Verdict {
    const KIND: &str = "GatewaysResolved";
    match names {
        Ok(all) => (KIND, true, "Resolved".into(), all.clone()),
        Err(failed) => (KIND, false, "LookupFailed".into(), failed.clone()),
    }
}

/// Whether every proxy holds the peer's present bundle.
fn trusted(checked: &Checked, effect: &InEffect) -> Verdict {
    const KIND: &str = "TrustPropagated";
    if !of(checked, Effect::Excluded).is_empty() {
        return (KIND, false, "NotAccepted".into(), "the peer has no effect: see condition Accepted".into());
    }
    let (_, holds, reason, message) = verdict(KIND, KIND, "", &of(checked, Effect::Unresolved));
    if !holds {
        return (KIND, false, reason, message);
    }
    counted(KIND, "proxies hold its bundle", effect)
}

fn of(checked: &Checked, effect: Effect) -> Vec<&Fault> {
    let hidden = broken::is(broken::Fault::StatusFlatters) && effect == Effect::Unresolved;
    checked.faults.iter().filter(|fault| fault.effect == effect && !hidden).collect()
}

/// True without faults; else False, for the reason of the first and with the messages of all.
fn verdict(kind: &'static str, reason: &str, message: &str, faults: &[&Fault]) -> Verdict {
    let Some(first) = faults.first() else { return (kind, true, reason.to_owned(), message.to_owned()) };
    let messages: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
    (kind, false, first.reason.as_str().to_owned(), messages.join("; "))
}

fn shorten(mut message: String) -> String {
    if message.len() > MAX_MESSAGE {
        let end = (0..=MAX_MESSAGE).rev().find(|at| message.is_char_boundary(*at)).unwrap_or_default();
        message.truncate(end);
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests;
