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
fn a_word_is_a_level_or_a_slip() {
    for filter in ["debgu", "info, isthmus_proxy", "warning,access=off"] {
        let error = check(filter).unwrap_err().to_string();
        assert!(error.contains("is no level: off, error, warn") && error.contains(filter), "{error}");
    }
    for filter in ["", "DEBUG", "off", "info,access=off", "warn,isthmus_proxy[request]", "isthmus=debug,"] {
        assert_eq!(check(filter).unwrap(), filter);
    }
}

#[test]
fn formats_have_names() {
    assert_eq!("json".parse(), Ok(Format::Json));
    assert_eq!("text".parse(), Ok(Format::Text));
    assert!("yaml".parse::<Format>().is_err());
}
