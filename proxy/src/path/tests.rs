use proptest::prelude::*;

use super::*;

#[test]
fn ambiguous_paths_are_refused() {
    for path in [
        "/public/../admin",
        "/public/..",
        "/./a",
        "/public/%2e%2e/admin",
        "/public/.%2E/admin",
        "/public%2f..%2fadmin",
        "/public/%252e%252e/admin",
        "/public/..;/admin",
        "/public/..%3bx=1/admin",
        "/public\\..\\admin",
        "/public\\admin",
        "/public%5c..%5cadmin",
        "/public/%00",
        "/public/%2500",
        "/%2525252525",
        "/50%",
        "/%zz",
        "/%%32%66",
        "/%2",
    ] {
        assert_eq!(normalise(path), Err(Ambiguous), "{path}");
    }
}

#[test]
fn one_way_to_write_each_path() {
    for (path, written) in [
        ("/", "/"),
        ("*", "*"),
        ("", ""),
        ("/a.b/c..d/...", "/a.b/c..d/..."),
        ("/.well-known/x", "/.well-known/x"),
        ("/%61dmin", "/admin"),
        ("/%7Euser/%2dx", "/~user/-x"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/café", "/café"),
        ("/a%20b", "/a%20b"),
        ("/a%2fb%5Cc", "/a%2Fb%5Cc"),
        ("/50%25", "/50%25"),
        ("/a//b;v=1/?", "/a//b;v=1/?"),
        ("/v1;x=..y", "/v1;x=..y"),
        ("/A/%41", "/A/A"),
    ] {
        assert_eq!(normalise(path).as_deref(), Ok(written), "{path}");
    }
    assert!(matches!(normalise("/a.b%2F"), Ok(Cow::Borrowed(_))), "what is written so already isn't copied");
}

#[test]
fn the_loosest_reading_of_a_path() {
    for (path, read) in [
        ("/users/7", None),
        ("/caf%C3%A9/a%20b/50%25", None),
        ("/users/7%2Fdelete", Some("/users/7/delete")),
        ("/users/7%252Fdelete", Some("/users/7/delete")),
        ("/users/7%5Cdelete", Some("/users/7/delete")),
        ("/admin;x.css", Some("/admin")),
        ("/admin%3Bx.css", Some("/admin")),
        ("/admin%3Fx.css", Some("/admin")),
        ("/%2561dmin", Some("/admin")),
        ("//admin", Some("/admin")),
        ("/a//b/", Some("/a/b/")),
        ("/;/a", Some("/a")),
        ("/a/;x", Some("/a/")),
        ("//", Some("/")),
    ] {
        assert_eq!(loosest(path).as_deref(), read, "{path}");
    }
}

/// Pieces that tricks are made of.
fn pieces() -> impl Strategy<Value = String> {
    let piece = "(\\.|%2e|%2E|%252e|/|%2f|%252F|%5c|\\\\|;|%3b|%|%25|%41|%7e|%c3|a|B|0|é|//|\\?|#)";
    prop::collection::vec(piece, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_plain_segment_never_hides_dots(path in pieces()) {
        let (mut seen, mut text) = (false, path.clone());
        for _ in 0..4 {
            seen |= text.split(['/', '\\']).any(|s| s == "." || s == "..");
            text = text.replace("%252e", "%2e").replace("%2e", ".").replace("%2E", ".").replace("%2f", "/");
        }
        prop_assert!(!seen || normalise(&path).is_err(), "{path}");
    }

    #[test]
    fn normalising_twice_changes_nothing(path in pieces()) {
        if let Ok(written) = normalise(&path) {
            let again = normalise(&written);
            prop_assert_eq!(again.as_deref(), Ok(&*written));
        }
    }

    /// Two paths that RFC 3986 §6.2.2 calls equivalent are written alike.
    #[test]
    fn encoding_without_need_makes_no_difference(plain in "/[a-zA-Z0-9/_~-]{0,20}", at in 0usize..20) {
        let encoded: String = plain
            .char_indices()
            .map(|(i, c)| if i == at && c != '/' { format!("%{:02x}", c as u32) } else { c.to_string() })
            .collect();
        prop_assert_eq!(normalise(&encoded), normalise(&plain));
    }

    /// What an application makes of the path by decoding separators is never hidden from the second look.
    #[test]
    fn the_loosest_reading_has_no_separators_left_to_decode(path in pieces()) {
        if let Ok(written) = normalise(&path) {
            let read = loosest(&written).unwrap_or_else(|| written.to_string());
            for trick in ["%2F", "%2f", "%5C", "%3B", "//", ";", "\\"] {
                prop_assert!(!read.contains(trick), "{path}: {read}");
            }
        }
    }
}
