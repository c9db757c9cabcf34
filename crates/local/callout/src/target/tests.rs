use serde_json::json;

use super::*;

fn by_url(url: &str) -> Result<Target, Fault> {
    Target::parse(&json!({"url": url}))
}

#[test]
fn a_url_gives_host_port_and_path() {
    for (url, authority, host, path) in [
        ("https://example.com", "example.com:443", "example.com", "/"),
        ("https://example.com:8443/a/b", "example.com:8443", "example.com", "/a/b"),
        ("https://10.0.0.1/x", "10.0.0.1:443", "10.0.0.1", "/x"),
        ("https://[::1]:9443/x", "[::1]:9443", "::1", "/x"),
    ] {
        let target = by_url(url).unwrap();
        assert_eq!(
            (target.authority().as_str(), target.host().as_str(), target.path.as_str()),
            (authority, host, path)
        );
    }
    for url in ["", "example.com", "/path", "ftp://x", "https://", "https://u@x/", "https://x/?a=b", "https://x/#a"] {
        assert_eq!(by_url(url).unwrap_err().field, "url", "{url}");
    }
}

#[test]
fn a_service_has_its_cluster_name_and_defaults() {
    let target = Target::parse(&json!({"service": {"namespace": "ns", "name": "svc"}})).unwrap();
    assert_eq!((target.authority().as_str(), target.path.as_str()), ("svc.ns.svc:443", "/"));
    let target = Target::parse(
        &json!({"url": null, "service": {"namespace": "ns", "name": "svc", "port": 8443, "path": "a/b"}}),
    );
    let target = target.unwrap();
    assert_eq!((target.authority().as_str(), target.path.as_str()), ("svc.ns.svc:8443", "/a/b"));
}
