use serde_json::{Value, json};

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn spec(spec: Value) -> JobSpec {
    let mut whole = json!({ "template": {}, "completions": 1, "parallelism": 1, "backoffLimit": 2 });
    for (field, value) in spec.as_object().unwrap() {
        match value {
            Value::Null => whole.as_object_mut().unwrap().remove(field),
            value => whole.as_object_mut().unwrap().insert(field.clone(), value.clone()),
        };
    }
    serde_json::from_value(whole).unwrap()
}

/// Pods by a letter each: `r`uns, `s`ucceeded, `f`ailed (at 0), `t`erminates; a digit: has been restarted so often.
fn counts(text: &str) -> Counts {
    let one = |letter: char| {
        let ended = json!([{ "name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "terminated": { "exitCode": 1, "finishedAt": at(0).to_string() } } }]);
        let pod = match letter {
            'r' => json!({ "status": { "phase": "Running" } }),
            's' => json!({ "status": { "phase": "Succeeded" } }),
            'f' => json!({ "status": { "phase": "Failed", "containerStatuses": ended } }),
            't' => json!({ "metadata": { "deletionTimestamp": at(0).to_string() }, "status": { "phase": "Running" } }),
            digit => {
                json!({ "spec": { "containers": [], "restartPolicy": "OnFailure" }, "status": { "phase": "Running",
                "containerStatuses": [{ "name": "c", "image": "", "imageID": "", "ready": true,
                    "restartCount": digit.to_digit(10).unwrap() }] } })
            }
        };
        let mut whole = json!({ "metadata": {} });
        whole.as_object_mut().unwrap().extend(pod.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    };
    Counts::of(&text.chars().map(one).collect::<Vec<_>>())
}

fn decided(of: Value, pods: &str) -> Decision {
    decide(&spec(of), &JobStatus::default(), &counts(pods), at(1000))
}

#[test]
fn as_many_pods_run_as_are_asked_for_and_still_needed() {
    let of = |completions: Value, parallelism: i32| json!({ "completions": completions, "parallelism": parallelism });
    for (job, pods, wanted) in [
        (of(json!(1), 1), "", Decision::Make(1)),
        (of(json!(5), 2), "", Decision::Make(2)),
        (of(json!(i32::MAX), i32::MAX), "r", Decision::Make(50)),
        (of(json!(5), 2), "rr", Decision::Rest),
        (of(json!(5), 2), "ssssr", Decision::Rest),
        (of(json!(5), 3), "sssr", Decision::Make(1)),
        (of(json!(5), 1), "rrr", Decision::End(2)),
        (of(json!(2), 2), "ss", Decision::Complete),
        (of(json!(0), 1), "", Decision::Complete),
        (of(json!(1), 1), "t", Decision::Make(1)),
        // A queue: none is made once one has ended well.
        (of(Value::Null, 2), "r", Decision::Make(1)),
        (of(Value::Null, 2), "rs", Decision::Rest),
        (of(Value::Null, 2), "ss", Decision::Complete),
    ] {
        assert_eq!(decided(job.clone(), pods), wanted, "{job} {pods}");
    }
}

#[test]
fn failures_are_paused_after_and_counted() {
    let at_once = |pods: &str, now| decide(&spec(json!({})), &JobStatus::default(), &counts(pods), at(now));
    assert_eq!(at_once("f", 0), Decision::Wait(Duration::from_secs(10)));
    assert_eq!(at_once("ff", 5), Decision::Wait(Duration::from_secs(15)));
    assert_eq!(at_once("f", 10), Decision::Make(1));
    for pods in ["fff", "3"] {
        assert!(matches!(decided(json!({}), pods), Decision::Fail("BackoffLimitExceeded", _)), "{pods}");
    }
    assert_eq!(decided(json!({}), "2"), Decision::Rest);
}

#[test]
fn its_time_ends_it_and_doesnt_run_while_it_is_suspended() {
    let limited = spec(json!({ "activeDeadlineSeconds": 60 }));
    let started = status(&JobStatus::default(), &counts(""), &Decision::Make(1), at(0));
    assert_eq!(decide(&limited, &started, &counts("r"), at(59)), Decision::Rest);
    assert_eq!(time_left(&limited, &started, at(59)), Some(Duration::from_secs(1)));
    assert!(matches!(decide(&limited, &started, &counts("r"), at(60)), Decision::Fail("DeadlineExceeded", _)));
    let suspended = decided(json!({ "suspend": true }), "r");
    assert_eq!((&suspended, suspended.end(1)), (&Decision::Suspend, 1));
    let status = status(&started, &counts("r"), &suspended, at(1));
    assert_eq!((status.start_time, status.active), (None, Some(0)));
}

#[test]
fn its_end_is_told_once_and_for_good() {
    let running = status(&JobStatus::default(), &counts("r"), &Decision::Rest, at(0));
    assert_eq!((running.active, ended(&running)), (Some(1), None));
    let done = status(&running, &counts("s"), &Decision::Complete, at(7));
    assert_eq!(
        (done.succeeded, done.start_time.clone(), done.completion_time.clone()),
        (Some(1), Some(Time(at(0))), Some(Time(at(7))))
    );
    assert_eq!(ended(&done), Some(at(7)));
    assert_eq!(status(&done, &counts("s"), &Decision::Complete, at(9)).conditions, done.conditions);
    let failed = status(&running, &counts("ff"), &Decision::Fail("R", "m"), at(8));
    assert_eq!((failed.failed, failed.completion_time.clone(), ended(&failed)), (Some(2), None, Some(at(8))));
}

#[test]
fn a_suspended_job_says_when_it_goes_on() {
    let suspended = status(&JobStatus::default(), &counts(""), &Decision::Suspend, at(0));
    let resumed = status(&suspended, &counts(""), &Decision::Make(1), at(5));
    let condition = resumed.conditions.iter().flatten().find(|condition| condition.type_ == "Suspended").unwrap();
    assert_eq!((&*condition.status, condition.reason.as_deref()), ("False", Some("JobResumed")));
    assert_eq!(resumed.start_time, Some(Time(at(5))));
}
