use std::fs;

use isthmus_k8s::{
    access::{IdentityBinding, TrafficTarget},
    federation::{ExportedService, ImportedService},
    split::TrafficSplit,
};
use serde_json::json;

use super::*;

#[test]
fn every_example_reads_and_no_document_is_lost() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
    let mut files = 0;
    for entry in ["", "/shop", "/federation/east", "/federation/west"]
        .iter()
        .flat_map(|sub| std::fs::read_dir(format!("{dir}{sub}")).unwrap())
    {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let documents = text.matches("\nkind: ").count();
            assert_eq!(objects(&text).unwrap().len(), documents, "{}", path.display());
            files += 1;
        }
    }
    assert!(files >= 18);
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

#[test]
fn the_examples_of_federation_are_what_the_kinds_say() {
    let dir = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/federation"));
    let mut ours = Vec::new();
    for mesh in ["east", "west"] {
        let mut files: Vec<_> = fs::read_dir(dir.join(mesh)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for path in files {
            for object in objects(&fs::read_to_string(&path).unwrap()).unwrap() {
                let kind = object.types.clone().unwrap().kind;
                let text = serde_json::to_string(&object).unwrap();
                // Strictly: a field that the type doesn't have is a slip of the pen.
                let (typed, fields) = match kind.as_str() {
                    "ExportedService" => read::<ExportedService>(&text),
                    "ImportedService" => read::<ImportedService>(&text),
                    "TrafficTarget" => read::<TrafficTarget>(&text),
                    "IdentityBinding" => read::<IdentityBinding>(&text),
                    "TrafficSplit" => read::<TrafficSplit>(&text),
                    _ => continue,
                };
                assert_eq!(typed, fields, "{}", path.display());
                ours.push(format!("{mesh} {kind} {}", object.name_any()));
            }
        }
    }
    ours.sort();
    assert_eq!(
        ours,
        [
            "east ExportedService catalog",
            "east IdentityBinding web-of-west",
            "east ImportedService catalog-west",
            "east TrafficSplit catalog",
            "east TrafficTarget web-reads-catalog",
            "east TrafficTarget west-web-reads-catalog",
            "west ExportedService catalog",
            "west IdentityBinding web-of-east",
            "west ImportedService catalog-east",
            "west TrafficTarget east-web-reads-catalog",
            "west TrafficTarget web-reads-catalog",
        ]
    );
}

/// An object's spec as its type has it, and as it is written.
fn read<K: serde::de::DeserializeOwned + serde::Serialize>(text: &str) -> (serde_json::Value, serde_json::Value) {
    let typed: K = serde_json::from_str(text).unwrap();
    let written: serde_json::Value = serde_json::from_str(text).unwrap();
    (serde_json::to_value(typed).unwrap()["spec"].take(), written["spec"].clone())
}
