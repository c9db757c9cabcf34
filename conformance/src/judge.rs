//! Whether what came of a check's requests is what was expected.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::{
    case::{Answer, Check, Protocol},
    profile::Profile,
    statistics,
};

/// Shares of nobody: of requests for which there was no one.
pub(crate) const NOBODY: &str = "nobody";
/// What a gateway says when there is nobody.
const UNAVAILABLE: [u16; 3] = [502, 503, 504];

/// What gRPC says for 403.
const PERMISSION_DENIED: u16 = 7;

/// So many requests had this outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Seen {
    pub(crate) status: Option<u16>,
    /// gRPC tells by a code of its own what HTTP tells by its status.
    pub(crate) grpc: Option<u16>,
    /// Which program answered. What a proxy answers has none.
    pub(crate) service: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    /// Who called, as the program was told.
    pub(crate) caller: Option<String>,
    /// `closed`, `refused`, `timeout` or `other`, of a request without an answer.
    pub(crate) fault: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) count: u64,
}

/// Is it as expected?
pub(crate) fn holds(check: &Check, seen: &[Seen], profile: &Profile) -> bool {
    if let Some(asked) = &check.by {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for outcome in seen {
            let by = match &outcome.service {
                Some(service) => service.clone(),
                None if unavailable(outcome) => NOBODY.to_owned(),
                None => outcome.words(),
            };
            *counts.entry(by).or_default() += outcome.count;
        }
        return statistics::fit(asked, &counts);
    }
    let is_called = |outcome: &Seen| check.caller.is_none() || outcome.caller == check.caller;
    let hosts: BTreeSet<_> = seen.iter().filter_map(|outcome| outcome.host.as_ref()).collect();
    !seen.is_empty()
        && seen.iter().all(|outcome| is(check, outcome, profile) && is_called(outcome))
        && check.pods.is_none_or(|pods| hosts.len() == pods)
}

fn is(check: &Check, outcome: &Seen, profile: &Profile) -> bool {
    let fault = |faults: &[&str]| outcome.fault.as_deref().is_some_and(|fault| faults.contains(&fault));
    match check.is {
        Answer::Allowed => outcome.service.is_some() && check.at.is_none_or(|port| outcome.port == Some(port)),
        // In which form is another matter, which a case of its own holds.
        Answer::Denied if profile.features.contains("denies-by-refusal") && fault(&["refused"]) => true,
        Answer::Denied => {
            let status = outcome.status.is_some_and(|status| profile.denied.contains(&status));
            let grpc = outcome.grpc == Some(PERMISSION_DENIED);
            outcome.service.is_none() && (status || grpc || fault(&["closed"]))
        }
        Answer::Forbidden => outcome.service.is_none() && outcome.status == Some(403),
        Answer::Unavailable => unavailable(outcome),
    }
}

/// Did something come through that should have been refused?
pub(crate) fn leaked(check: &Check, seen: &[Seen]) -> bool {
    let refuses = check.by.is_none() && matches!(check.is, Answer::Denied | Answer::Forbidden);
    refuses && seen.iter().any(|outcome| outcome.service.is_some())
}

fn unavailable(outcome: &Seen) -> bool {
    let status = outcome.status.is_some_and(|status| UNAVAILABLE.contains(&status));
    let fault = outcome.fault.as_deref().is_some_and(|fault| matches!(fault, "refused" | "closed" | "timeout"));
    outcome.service.is_none() && (status || fault)
}

impl Seen {
    /// `200 by v1`, `403`, `closed`.
    fn words(&self) -> String {
        if let (None, Some(code)) = (&self.service, self.grpc) {
            return format!("gRPC code {code}");
        }
        match (&self.status, &self.service, &self.fault) {
            (Some(status), Some(service), _) => format!("{status} by {service}"),
            (Some(status), None, _) => status.to_string(),
            (None, Some(service), _) => format!("answered by {service}"),
            (None, None, Some(fault)) if fault == "other" => self.message.clone().unwrap_or_else(|| fault.clone()),
            (None, None, Some(fault)) => fault.clone(),
            (None, None, None) => "nothing".to_owned(),
        }
    }
}

/// What came, for people.
pub(crate) fn words(check: &Check, seen: &[Seen]) -> String {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for outcome in seen {
        let mut words = outcome.words();
        if let (Some(_), Some(port)) = (check.at, outcome.port) {
            words += &format!(" at {port}");
        }
        if let (Some(_), Some(caller)) = (&check.caller, &outcome.caller) {
            words += &format!(", called by {caller}");
        }
        if let (Some(_), Some(host)) = (check.pods, &outcome.host) {
            words += &format!(" in {host}");
        }
        *counts.entry(words).or_default() += outcome.count;
    }
    let words =
        |(words, count): (&String, &u64)| if check.times == 1 { words.clone() } else { format!("{count} × {words}") };
    let all: Vec<String> = counts.iter().map(words).collect();
    if all.is_empty() { "no answer".to_owned() } else { all.join(", ") }
}

/// What is sent, for people.
pub(crate) fn request(check: &Check) -> String {
    let Check { from, to, port, method, path, .. } = check;
    let to = check.namespace.as_ref().map_or_else(|| to.clone(), |namespace| format!("{to}.{namespace}"));
    let times = if check.times == 1 { String::new() } else { format!("{} × ", check.times) };
    let headers: String = check.headers.iter().map(|(name, value)| format!(" {name}: {value}")).collect();
    match check.protocol {
        Protocol::Http => format!("{times}{from}: {method} http://{to}:{port}{path}{headers}"),
        Protocol::Http2 => format!("{times}{from}: HTTP/2 {method} http://{to}:{port}{path}{headers}"),
        Protocol::Tcp => format!("{times}{from}: tcp://{to}:{port}"),
    }
}

/// What is expected, for people.
pub(crate) fn expected(check: &Check) -> String {
    if let Some(shares) = &check.by {
        let shares: Vec<String> = shares.iter().map(|(name, share)| format!("{name} {share} %")).collect();
        return shares.join(", ");
    }
    let mut words = match check.is {
        Answer::Allowed => "answered".to_owned(),
        Answer::Denied => "refused".to_owned(),
        Answer::Forbidden => "403 of the mesh".to_owned(),
        Answer::Unavailable => "nobody there".to_owned(),
    };
    if let Some(port) = check.at {
        words += &format!(" at container port {port}");
    }
    if let Some(pods) = check.pods {
        words += &format!(" by {pods} pods");
    }
    if let Some(caller) = &check.caller {
        words += &format!(", called by {caller}");
    }
    words
}
