use super::*;
use crate::http_match::HttpMatchSpec;

fn backend(name: &str) -> Backend {
    Backend { service: ObjectName::new("default", name), port: 80, endpoints: Arc::new([]) }
}

fn route(matches: Option<Vec<HttpMatch>>) -> ServiceRoute {
    let split =
        Split { name: ObjectName::new("default", "s"), generation: 1, matches, backends: vec![(backend("v2"), 100)] };
    ServiceRoute { root: backend("web"), protocol: ProtocolHint::Detect, split: Some(split) }
}

fn agent(pattern: &str) -> HttpMatch {
    let headers = vec![("user-agent".to_owned(), pattern.to_owned())];
    HttpMatch::compile(HttpMatchSpec { headers, ..HttpMatchSpec::default() }).unwrap()
}

fn share(route: &ServiceRoute, agent: &'static str) -> Share {
    let headers = [(http::header::USER_AGENT, http::HeaderValue::from_static(agent))].into_iter().collect();
    route.share_of(HttpRequest { method: "GET", path: "/", authority: "web", headers: &headers })
}

#[test]
fn a8_vector_unmatched_requests_go_to_the_root() {
    let route = route(Some(vec![agent(".*Firefox.*")]));
    assert_eq!(share(&route, "Mozilla Firefox"), Share::Split);
    assert_eq!(share(&route, "Chrome"), Share::Root);
}

#[test]
fn vector_the_second_of_two_groups_matches() {
    assert_eq!(share(&route(Some(vec![agent("Firefox"), agent("Chrome")])), "Chrome"), Share::Split);
}

#[test]
fn matches_that_resolve_to_nothing_split_nothing() {
    assert_eq!(share(&route(Some(vec![])), "Chrome"), Share::Root);
}

#[test]
fn tcp_is_split_only_without_matches() {
    assert_eq!(route(None).share_of_tcp(), Share::Split);
    assert_eq!(route(Some(vec![agent("x")])).share_of_tcp(), Share::Root);
}
