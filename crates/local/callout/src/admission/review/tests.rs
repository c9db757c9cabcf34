use serde_json::json;

use super::*;

fn read(mutating: bool, answer: Value) -> Result<Response, String> {
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer});
    response("u", mutating, &review)
}

#[test]
fn each_breach_of_the_contract_is_named() {
    for (mutating, answer, text) in [
        (true, json!(null), "webhook response was absent"),
        (true, json!({"allowed": true}), "expected response.uid=\"u\", got \"\""),
        (true, json!({"uid": "u", "allowed": "yes"}), "response.allowed must be a boolean"),
        (true, json!({"uid": "u", "patch": "W10="}), "webhook returned response.patch but not response.patchType"),
        (
            true,
            json!({"uid": "u", "patchType": "JSONPatch"}),
            "webhook returned response.patchType but not response.patch",
        ),
        (
            true,
            json!({"uid": "u", "patch": "W10=", "patchType": "X"}),
            "webhook returned invalid response.patchType of \"X\"",
        ),
        (true, json!({"uid": "u", "patch": "%", "patchType": "JSONPatch"}), "response.patch is not base64"),
        (false, json!({"uid": "u", "patch": "W10="}), "validating webhook may not return response.patch"),
        (false, json!({"uid": "u", "patchType": "JSONPatch"}), "validating webhook may not return response.patchType"),
    ] {
        let error = read(mutating, answer.clone()).unwrap_err();
        assert!(error.starts_with(text), "{answer}: {error}");
    }
    let other = json!({"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "response": {"uid": "u"}});
    assert!(response("u", true, &other).unwrap_err().contains("got admission.k8s.io/v1beta1, Kind=AdmissionReview"));
}

#[test]
fn silence_is_not_consent() {
    assert!(!read(true, json!({"uid": "u"})).unwrap().allowed);
}

#[test]
fn warnings_fit_in_a_header() {
    let warnings = read(true, json!({"uid": "u", "warnings": ["é".repeat(200), "a\r\nb", "", 5]})).unwrap().warnings;
    assert_eq!(warnings, ["é".repeat(128), "ab".to_owned()]);
}

#[test]
fn uids_are_uuids_of_version_4() {
    let uid = fresh_uid();
    let bytes = uid.as_bytes();
    assert_eq!((bytes[8], bytes[13], bytes[14], bytes[18], bytes[23], bytes.len()), (b'-', b'-', b'4', b'-', b'-', 36));
    assert!(b"89ab".contains(&bytes[19]), "{uid}");
    assert_ne!(uid, fresh_uid());
}
