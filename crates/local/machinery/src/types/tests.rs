use super::*;

#[test]
fn the_table_reads_whole_and_names_only_known_types() {
    for (name, message) in TABLES.iter().flat_map(|table| parse(table)) {
        assert!(!message.fields.is_empty() || name.ends_with("VolumeSource") || name.contains('.'), "{name}");
        for field in &message.fields {
            if let Base::Message(inner) = &field.base {
                assert!(super::message(inner).is_some(), "{name}.{} is of the unknown type {inner}", field.json);
            }
        }
    }
    let lines = TABLES.iter().flat_map(|t| t.lines()).filter(|l| l.starts_with(' ')).count();
    let fields: usize = TABLES.iter().flat_map(|t| parse(t)).map(|(_, m)| m.fields.len()).sum();
    assert_eq!(lines, fields);
}

#[test]
fn every_built_in_kind_has_its_type() {
    for resource in crate::builtin::all() {
        let name = type_name(&resource.group, &resource.version, &resource.kind);
        assert!(message(&name).is_some(), "{name}");
    }
}

#[test]
fn markers_are_read() {
    let spec = message("core.v1.ServiceSpec").unwrap();
    let ports = spec.fields.iter().find(|f| f.json == "ports").unwrap();
    assert_eq!(ports.shape, Shape::List);
    assert_eq!(ports.list, List::Map(["port".to_owned(), "protocol".to_owned()].into()));
    assert_eq!(ports.merge_key.as_deref(), Some("port"));
    assert!(message("meta.v1.LabelSelector").unwrap().atomic);
}
