use serde_json::json;

use super::*;

#[test]
fn every_example_reads_and_no_document_is_lost() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
    let mut files = 0;
    for entry in ["", "/shop"].iter().flat_map(|sub| std::fs::read_dir(format!("{dir}{sub}")).unwrap()) {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let documents = text.matches("\nkind: ").count();
            assert_eq!(objects(&text).unwrap().len(), documents, "{}", path.display());
            files += 1;
        }
    }
    assert!(files >= 9);
}

#[test]
fn a_condition_must_speak_of_the_generation() {
    let mut object = objects("apiVersion: v1\nkind: X\nmetadata: { name: x }").unwrap().remove(0);
    object.data = json!({ "status": { "conditions": [
        { "type": "Programmed", "status": "True", "observedGeneration": 2 },
        { "type": "Accepted", "status": "False" },
    ] } });
    assert!(is_true(&object, "Programmed", 2) && !is_true(&object, "Programmed", 3));
    assert!(!is_true(&object, "Accepted", 1) && !is_true(&object, "Absent", 1));
}

#[test]
fn what_is_not_an_object_is_an_error() {
    assert!(objects("just text").is_err());
    assert!(objects("---\n---\n").unwrap().is_empty());
}
