use super::*;

#[test]
fn documents_and_lists_are_opened_and_empty_ones_passed_over() {
    let text = "---\n# nothing\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: a}}\n- {apiVersion: apps/v1, kind: Deployment, metadata: {name: b, namespace: n}}\n";
    let documents = read("f", text).unwrap();
    let titles: Vec<String> = documents.iter().map(Document::title).collect();
    assert_eq!(titles, ["Service a", "Deployment n/b"]);
    assert_eq!((documents[1].group(), documents[1].version()), ("apps", "v1"));
}

#[test]
fn what_is_no_object_is_told_with_its_place() {
    for (text, told) in [
        ("a: [", "f: not YAML"),
        ("a: 1", "it has no apiVersion"),
        ("[1, 2]", "it has no apiVersion"),
        ("apiVersion: v1\nkind: 3", "it has no kind"),
        ("kind: A\nkind: B\napiVersion: v1", "f: not YAML"),
    ] {
        let error = read("f", text).unwrap_err().to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
}

#[test]
fn too_much_is_refused() {
    let long = "#".repeat(MAX_BYTES + 1);
    assert!(matches!(read("f", &long), Err(InvalidInput::TooLong { .. })));
    let items = "{apiVersion: v1, kind: A},".repeat(MAX_DOCUMENTS + 1);
    assert!(read("f", &format!("{{apiVersion: v1, kind: List, items: [{items}]}}")).is_err());
    // Lists in lists end somewhere: the innermost is an object like others.
    let mut nested = "{apiVersion: v1, kind: A}".to_owned();
    for _ in 0..8 {
        nested = format!("{{apiVersion: v1, kind: List, items: [{nested}]}}");
    }
    assert_eq!(read("f", &nested).unwrap().len(), 1);
}
