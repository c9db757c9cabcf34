//! What makes pods.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Computed,
    cells::{age, condition, joined, labels, list, number, or_none, since, text},
};

pub(super) const DEPLOYMENT: &[Computed] = &[
    ("Ready", false, |d, _| format!("{}/{}", number(d, "/status/readyReplicas"), number(d, "/spec/replicas")).into()),
    ("Up-to-date", false, |d, _| number(d, "/status/updatedReplicas").into()),
    ("Available", false, |d, _| number(d, "/status/availableReplicas").into()),
    ("Age", false, age),
    ("Containers", true, containers),
    ("Images", true, images),
    ("Selector", true, selector),
];

pub(super) const REPLICA_SET: &[Computed] = &[
    ("Desired", false, |r, _| number(r, "/spec/replicas").into()),
    ("Current", false, |r, _| number(r, "/status/replicas").into()),
    ("Ready", false, |r, _| number(r, "/status/readyReplicas").into()),
    ("Age", false, age),
    ("Containers", true, containers),
    ("Images", true, images),
    ("Selector", true, selector),
];

pub(super) const DAEMON_SET: &[Computed] = &[
    ("Desired", false, |d, _| number(d, "/status/desiredNumberScheduled").into()),
    ("Current", false, |d, _| number(d, "/status/currentNumberScheduled").into()),
    ("Ready", false, |d, _| number(d, "/status/numberReady").into()),
    ("Up-to-date", false, |d, _| number(d, "/status/updatedNumberScheduled").into()),
    ("Available", false, |d, _| number(d, "/status/numberAvailable").into()),
    ("Node Selector", false, |d, _| labels(d, "/spec/template/spec/nodeSelector")),
    ("Age", false, age),
    ("Containers", true, containers),
    ("Images", true, images),
    ("Selector", true, selector),
];

pub(super) const STATEFUL_SET: &[Computed] = &[
    ("Ready", false, |s, _| format!("{}/{}", number(s, "/status/readyReplicas"), number(s, "/spec/replicas")).into()),
    ("Age", false, age),
    ("Containers", true, containers),
    ("Images", true, images),
];

pub(super) const JOB: &[Computed] = &[
    ("Status", false, |j, _| job_status(j).into()),
    ("Completions", false, completions),
    ("Duration", false, duration),
    ("Age", false, age),
    ("Containers", true, containers),
    ("Images", true, images),
    ("Selector", true, selector),
];

fn job_status(job: &Value) -> &'static str {
    let is = |kind: &str| condition(job, kind).is_some_and(|condition| text(condition, "/status") == "True");
    let known = ["Complete", "Failed", "Suspended"].into_iter().find(|kind| is(kind));
    known.unwrap_or("Running")
}

/// `2/3`; of a queue of unknown length `0/1 of 4`.
fn completions(job: &Value, _: Timestamp) -> Value {
    let done = number(job, "/status/succeeded");
    match (job.pointer("/spec/completions"), number(job, "/spec/parallelism")) {
        (Some(all), _) => format!("{done}/{all}").into(),
        (None, parallel @ 2..) => format!("{done}/1 of {parallel}").into(),
        _ => format!("{done}/1").into(),
    }
}

/// From its start to its completion, or to now.
fn duration(job: &Value, now: Timestamp) -> Value {
    let start = job.pointer("/status/startTime").and_then(Value::as_str);
    let end = job.pointer("/status/completionTime").and_then(Value::as_str).and_then(|end| end.parse().ok());
    if start.is_some() { since(start, end.unwrap_or(now)) } else { "".into() }
}

fn containers(object: &Value, _: Timestamp) -> Value {
    joined(list(object, "/spec/template/spec/containers").iter().map(|c| text(c, "/name")))
}

fn images(object: &Value, _: Timestamp) -> Value {
    joined(list(object, "/spec/template/spec/containers").iter().map(|c| text(c, "/image")))
}

/// `a=b,c in (d,e),!f`. A ReplicationController's selector is labels and nothing else.
fn selector(object: &Value, _: Timestamp) -> Value {
    let selector = object.pointer("/spec/selector");
    let equal = selector.and_then(|selector| selector.get("matchLabels").unwrap_or(selector).as_object());
    let equal = equal.into_iter().flatten().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    let sets = list(object, "/spec/selector/matchExpressions").iter().map(|e| {
        let values = list(e, "/values").iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",");
        match (text(e, "/operator"), text(e, "/key")) {
            ("In", key) => format!("{key} in ({values})"),
            ("NotIn", key) => format!("{key} notin ({values})"),
            ("DoesNotExist", key) => format!("!{key}"),
            (_, key) => key.to_owned(),
        }
    });
    or_none(&equal.chain(sets).collect::<Vec<_>>().join(","))
}
