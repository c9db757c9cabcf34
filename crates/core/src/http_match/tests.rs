use super::*;

fn group(path: Option<&str>, methods: &[&str], headers: &[(&str, &str)]) -> HttpMatch {
    HttpMatch::compile(HttpMatchSpec {
        name: "m".into(),
        path_regex: path.map(Into::into),
        methods: methods.iter().map(ToString::to_string).collect(),
        headers: headers.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect(),
        full_match: false,
    })
    .unwrap()
}

fn asks(m: &HttpMatch, method: &str, path: &str, headers: &[(&'static str, &'static str)]) -> bool {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, http::HeaderValue::from_static(value));
    }
    m.matches(HttpRequest { method, path, authority: "shop:80", headers: &map })
}

#[test]
fn vector_path_is_a_prefix() {
    let m = group(Some("/api"), &["*"], &[]);
    assert!(asks(&m, "GET", "/api/x", &[]));
    assert!(!asks(&m, "GET", "/v1/api", &[]));
}

#[test]
fn vector_methods_are_listed() {
    assert!(!asks(&group(None, &["GET", "HEAD"], &[]), "POST", "/", &[]));
}

#[test]
fn vector_headers_only_is_any_path_and_method() {
    let m = group(None, &[], &[("user-agent", ".*iPhone.*")]);
    assert!(asks(&m, "DELETE", "/any", &[("user-agent", "Mozilla (iPhone; x)")]));
}

#[test]
fn vector_two_headers_are_anded() {
    let m = group(None, &[], &[("a", "x"), ("b", "y")]);
    assert!(!asks(&m, "GET", "/", &[("a", "x")]));
    assert!(asks(&m, "GET", "/", &[("b", "y"), ("a", "x")]));
}

#[test]
fn a1_path_is_anchored_at_the_start_only() {
    let m = group(Some("/metrics"), &["*"], &[]);
    assert!(asks(&m, "GET", "/metrics/x", &[]));
    assert!(asks(&m, "GET", "/metrics-admin", &[]));
    assert!(!asks(&group(Some("/metrics$"), &[], &[]), "GET", "/metrics-admin", &[]));
    let strict = HttpMatchSpec { path_regex: Some("/metrics".into()), full_match: true, ..HttpMatchSpec::default() };
    let strict = HttpMatch::compile(strict).unwrap();
    assert!(asks(&strict, "GET", "/metrics", &[]) && !asks(&strict, "GET", "/metrics/x", &[]));
}

#[test]
fn a1_an_alternative_stays_anchored() {
    let m = group(Some("/a|/b"), &[], &[]);
    assert!(asks(&m, "GET", "/b", &[]));
    assert!(!asks(&m, "GET", "/c/b", &[]));
}

#[test]
fn a2_header_values_are_searched_unanchored() {
    let m = group(None, &[], &[("user-agent", "Android")]);
    assert!(asks(&m, "GET", "/", &[("user-agent", "Mozilla Android 9")]));
    let cookie = group(None, &[], &[("cookie", "^(.*?;)?(type=insider)(;.*)?$")]);
    assert!(asks(&cookie, "GET", "/", &[("cookie", "a=b;type=insider;c=d")]));
    assert!(!asks(&cookie, "GET", "/", &[("cookie", "type=insiders")]));
}

#[test]
fn a21_methods_are_case_sensitive_and_get_is_not_head() {
    let m = group(None, &["GET"], &[]);
    assert!(asks(&m, "GET", "/", &[]));
    assert!(!asks(&m, "get", "/", &[]) && !asks(&m, "HEAD", "/", &[]));
}

#[test]
fn header_names_are_case_insensitive_and_host_is_the_authority() {
    assert!(asks(&group(None, &[], &[("X-Kind", "^a$")]), "GET", "/", &[("x-kind", "a")]));
    assert!(asks(&group(None, &[], &[("Host", "^shop:80$")]), "GET", "/", &[]));
}

#[test]
fn repeated_fields_are_one_joined_value() {
    let m = group(None, &[], &[("x", "^a$")]);
    assert!(!asks(&m, "GET", "/", &[("x", "a"), ("x", "evil")]));
    assert!(asks(&group(None, &[], &[("x", "^a, b$")]), "GET", "/", &[("x", "a"), ("x", "b")]));
}

#[test]
fn a32_an_invalid_expression_is_refused_with_its_field() {
    let spec = HttpMatchSpec { name: "m".into(), path_regex: Some("(".into()), ..HttpMatchSpec::default() };
    let text = HttpMatch::compile(spec).unwrap_err().to_string();
    assert!(text.contains("pathRegex") && text.contains("\"(\""), "{text}");
}

#[test]
fn an_expression_cannot_slip_out_of_its_anchor_or_grow_without_bound() {
    for text in ["a)|(b", "(?:a{1000}){1000}", &"a".repeat(MAX_REGEX_LENGTH + 1)] {
        let spec = HttpMatchSpec { path_regex: Some(text.into()), ..HttpMatchSpec::default() };
        assert!(HttpMatch::compile(spec).is_err(), "{text}");
    }
}
