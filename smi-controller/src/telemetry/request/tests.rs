use super::*;

const BASE: &str = "/apis/metrics.smi-spec.io/v1alpha1";

fn get(path: &str) -> Result<Request, Failure> {
    read(&Method::GET, &path.parse().unwrap())
}

fn ask(path: &str) -> Ask {
    match get(&format!("{BASE}{path}")) {
        Ok(Request::Traffic(ask)) => ask,
        other => panic!("{path}: {other:?}"),
    }
}

fn code(method: Method, path: &str) -> u16 {
    read(&method, &path.parse().unwrap()).unwrap_err().code.as_u16()
}

#[test]
fn every_path_of_the_spec_is_read() {
    for (path, kind, namespace, name, edges) in [
        ("/pods", Kind::Pod, None, None, false),
        ("/trafficsplits/", Kind::TrafficSplit, None, None, false),
        ("/namespaces", Kind::Namespace, None, None, false),
        ("/namespaces/app", Kind::Namespace, None, Some("app"), false),
        ("/namespaces/app/edges", Kind::Namespace, None, Some("app"), true),
        ("/namespaces/app/deployments", Kind::Deployment, Some("app"), None, false),
        ("/namespaces/app/deployments/web", Kind::Deployment, Some("app"), Some("web"), false),
        ("/namespaces/app/jobs/edges/edges/", Kind::Job, Some("app"), Some("edges"), true),
        ("/nodes", Kind::Node, None, None, false),
        ("/nodes/n%31", Kind::Node, None, Some("n1"), false),
        ("/nodes/n1/edges", Kind::Node, None, Some("n1"), true),
    ] {
        let ask = ask(path);
        let found = (ask.kind, ask.namespace.as_deref(), ask.name.as_deref(), ask.edges);
        assert_eq!(found, (kind, namespace, name, edges), "{path}");
    }
    for (path, request) in [
        ("/apis/", Request::Groups),
        ("/apis/metrics.smi-spec.io", Request::Group),
        (&format!("{BASE}/"), Request::Resources),
    ] {
        assert_eq!(get(path), Ok(request));
    }
}

#[test]
fn nothing_else_is_served() {
    for path in [
        "/",
        "/openapi/v2",
        "/apis/metrics.smi-spec.io/v1alpha2",
        "/apis/metrics.smi-spec.io/v1alpha1/widgets",
        "/apis/metrics.smi-spec.io/v1alpha1/deployments/web",
        "/apis/metrics.smi-spec.io/v1alpha1/deployments/web/edges",
        "/apis/metrics.smi-spec.io/v1alpha1/namespaces/app/nodes",
        "/apis/metrics.smi-spec.io/v1alpha1/namespaces//pods",
        "/apis/metrics.smi-spec.io/v1alpha1/namespaces/app/pods/a%2Fb",
        "/apis/metrics.smi-spec.io/v1alpha1/namespaces/app/pods/web/edges/more",
        "/apis/metrics.smi-spec.io/v1alpha1/namespaces/app/pods/%ff",
        "/apis/metrics.smi-spec.io/v1alpha1/namespaces/app/pods/%2",
    ] {
        assert_eq!(code(Method::GET, path), 404, "{path}");
    }
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        assert_eq!(code(method.clone(), &format!("{BASE}/pods")), 405, "{method}");
        assert_eq!(code(method, BASE), 405);
    }
    assert!(read(&Method::HEAD, &format!("{BASE}/pods").parse().unwrap()).is_ok());
}

#[test]
fn the_query_is_read_and_what_is_wrong_is_named() {
    let found =
        ask("/pods?t=5m&side=client&labelSelector=app%3Dweb%2Ctier+in+(a)&limit=500&continue=x&resourceVersion=0");
    assert_eq!((found.window, found.side), (Duration::from_secs(300), Some(Side::Client)));
    assert_eq!(found.selector.as_deref(), Some("app=web,tier in (a)"));
    assert_eq!(ask("/pods?fieldSelector=metadata.name%3Dweb").only.as_deref(), Some("web"));
    assert_eq!(ask("/pods").window, Duration::from_secs(30));
    let included = |query: &str| ask(&format!("/pods?includeObject={query}")).include;
    assert_eq!((included("Object"), included("None")), (Include::Object, Include::None));
    assert_eq!((included("Metadata"), ask("/pods").include), (Include::Metadata, Include::Metadata));
    for (query, code_) in [
        ("t=5s", 400),
        ("t=2h", 400),
        ("t=soon", 400),
        ("t=", 400),
        ("side=both", 400),
        ("includeObject=All", 400),
        ("fieldSelector=spec.nodeName%3Da", 400),
        ("fieldSelector=metadata.name!%3Da", 400),
        ("labelSelector=%ff", 400),
        ("watch=true", 405),
        ("watch=1", 405),
    ] {
        assert_eq!(code(Method::GET, &format!("{BASE}/pods?{query}")), code_, "{query}");
    }
    assert_eq!(code(Method::GET, &format!("{BASE}/trafficsplits?side=server")), 400);
    assert!(get(&format!("{BASE}/pods?watch=false")).is_ok());
}

#[test]
fn the_first_form_that_can_be_given_is() {
    let form = |accept: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        form(&headers).map_err(|failure| failure.code.as_u16())
    };
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    assert_eq!(form(&format!("{table},application/json")), Ok(Form::Table));
    assert_eq!(form("application/json;as=Table;v=v1beta1;g=meta.k8s.io, application/json"), Ok(Form::Object));
    assert_eq!(form("application/vnd.kubernetes.protobuf, */*"), Ok(Form::Object));
    assert_eq!(
        form("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"),
        Ok(Form::Discovery("v2"))
    );
    for accept in ["text/html", "application/yaml", "application/vnd.kubernetes.protobuf", "application/json;as=Table"]
    {
        assert_eq!(form(accept), Err(406), "{accept}");
    }
    assert_eq!(super::form(&HeaderMap::new()), Ok(Form::Object));
}
