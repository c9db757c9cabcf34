use proptest::prelude::*;

use super::*;

#[test]
fn commands_keep_their_order_and_characters() {
    let query =
        Query::parse("command=sh&command=-c&command=echo+%22%C3%A9%22+100%25%20&input=1&tty=false&tailLines=5&x");
    assert_eq!(query.all("command").collect::<Vec<_>>(), ["sh", "-c", "echo \"é\" 100% "]);
    assert!(query.on("input"));
    assert!(!query.on("tty") && !query.on("x") && !query.on("output"));
    assert_eq!(query.number("tailLines"), Ok(Some(5)));
    assert_eq!(query.number("sinceSeconds"), Ok(None));
    assert_eq!(query.number("tty").unwrap_err().to_string(), "tty: \"false\" is not a whole number from 0");
}

proptest! {
    #[test]
    fn anything_is_read(text in ".{0,200}") {
        let query = Query::parse(&text);
        prop_assert!(query.get("a").is_none_or(|value| !value.is_empty()));
    }
}
