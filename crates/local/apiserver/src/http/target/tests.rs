use super::*;

fn parsed(path: &str) -> String {
    match Target::parse(path) {
        Target::Other(path) => path,
        Target::Resource(p) => {
            let or = |text: Option<String>| text.unwrap_or_else(|| "-".into());
            let (group, version) = (p.group, p.version);
            format!("{group}/{version} {} {} {} {}", or(p.namespace), p.resource, or(p.name), or(p.subresource))
        }
    }
}

#[test]
fn paths_are_taken_apart() {
    for (path, wanted) in [
        ("/api/v1/pods", "/v1 - pods - -"),
        ("/api/v1/namespaces", "/v1 - namespaces - -"),
        ("/api/v1/namespaces/a", "/v1 - namespaces a -"),
        ("/api/v1/namespaces/a/finalize", "/v1 - namespaces a finalize"),
        ("/api/v1/namespaces/a/pods/b/log", "/v1 a pods b log"),
        ("/apis/apps/v1/namespaces/a/deployments/b/scale", "apps/v1 a deployments b scale"),
        ("/apis/x.io/v1/things/a%3Ab", "x.io/v1 - things a:b -"),
        ("/apis/x.io/v1", "/apis/x.io/v1"),
        ("/version", "/version"),
    ] {
        assert_eq!(parsed(path), wanted, "{path}");
    }
}
