use super::*;

#[test]
fn an_event_comes_back_as_it_was() {
    let old = json!({ "apiVersion": "v1", "kind": "Event", "involvedObject": { "name": "a" }, "message": "m", "count": 2,
        "reason": "R", "type": "Normal", "reportingComponent": "c" });
    let new = events::to_new(&old);
    assert_eq!(new["regarding"]["name"], "a");
    assert_eq!(new["note"], "m");
    assert_eq!(new["apiVersion"], "events.k8s.io/v1");
    assert_eq!(events::to_old(&new), old);
}
