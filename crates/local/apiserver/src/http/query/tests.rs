use super::*;

#[test]
fn queries_of_kubectl_and_kube_rs_are_read() {
    let query = Query::parse("&watch=true&fieldSelector=metadata.name%3Dx&a=b+c&empty=&limit=5");
    assert!(query.flag("watch"));
    assert_eq!(query.get("fieldSelector"), Some("metadata.name=x"));
    assert_eq!(query.get("a"), Some("b c"));
    assert_eq!(query.get("empty"), None);
    assert_eq!(query.number("limit").unwrap(), Some(5));
    assert!(Query::parse("limit=x").number("limit").is_err());
}

#[test]
fn broken_escapes_stay_as_they_are() {
    assert_eq!(decode("%"), "%");
    assert_eq!(decode("%4"), "%4");
    assert_eq!(decode("%zz%41"), "%zzA");
    assert_eq!(decode("%é"), "%é");
}
