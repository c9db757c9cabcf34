use super::*;

#[test]
fn a_bad_filter_is_named_and_changes_nothing() {
    let handle = init(Format::Json, "info").unwrap();
    let error = handle.set("isthmus=loud").unwrap_err();
    assert!(error.to_string().contains("isthmus=loud"), "{error}");
    assert_eq!(handle.filter().unwrap(), "info");
    handle.set("warn,isthmus_proxy=debug").unwrap();
    assert!(handle.filter().unwrap().contains("isthmus_proxy=debug"));
    assert!(matches!(init(Format::Text, "info"), Err(LoggingError::AlreadySet)));
}

#[test]
fn formats_have_names() {
    assert_eq!("json".parse(), Ok(Format::Json));
    assert_eq!("text".parse(), Ok(Format::Text));
    assert!("yaml".parse::<Format>().is_err());
}
