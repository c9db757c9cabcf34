use serde_json::json;

use super::*;

fn profile(spec: &str) -> String {
    format!(
        "---\n{{apiVersion: linkerd.io/v1alpha2, kind: ServiceProfile, metadata: {{name: web.shop.svc.cluster.local, namespace: shop}}, spec: {{{spec}}}}}\n"
    )
}

#[test]
fn routes_become_a_group_that_matches_the_whole_path() {
    let (objects, left) = translated(
        From::Auto,
        &profile(
            "routes: [{name: GET /a/{id}, condition: {method: GET, pathRegex: '/a/[^/]*'}}, \
             {name: either, condition: {any: [{pathRegex: /b}, {all: [{method: PUT}, {pathRegex: /c}]}]}}]"
                .replace("GET /a/{id}", "'GET /a/{id}'")
                .as_str(),
        ),
    );
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(objects[0]["metadata"]["name"], "web-routes");
    assert_eq!(objects[0]["metadata"]["annotations"], json!({"isthmus.mesh/regex-match": "full"}));
    assert_eq!(
        objects[0]["spec"]["matches"],
        json!([
            {"name": "GET /a/{id}", "pathRegex": "/a/[^/]*", "methods": ["GET"]},
            {"name": "either (1)", "pathRegex": "/b"},
            {"name": "either (2)", "pathRegex": "/c", "methods": ["PUT"]},
        ])
    );
}

#[test]
fn what_routes_have_beside_their_condition_is_told() {
    let routes = "routes: [{name: r, condition: {pathRegex: /a}, timeout: 300ms, isRetryable: true, responseClasses: [{isFailure: true}]}]";
    let budget = "retryBudget: {retryRatio: 0.2, minRetriesPerSecond: 10, ttl: 10s}, opaquePorts: ['3306']";
    let (objects, mut left) = translated(From::Auto, &profile(&format!("{routes}, {budget}")));
    left.sort();
    assert_eq!(objects.len(), 1);
    let fields =
        ["opaquePorts", "retryBudget", "routes[0].isRetryable", "routes[0].responseClasses", "routes[0].timeout"];
    assert_eq!(left, fields.map(|field| format!("Part spec.{field}")));
    for condition in [
        "{not: [{pathRegex: /a}]}",
        "{}",
        "{all: [{pathRegex: /a}, {pathRegex: /b}]}",
        "{path: /a}",
        "{method: OPTION}",
        "7",
    ] {
        let (objects, left) =
            translated(From::Auto, &profile(&format!("routes: [{{name: r, condition: {condition}}}]")));
        assert_eq!((objects.len(), left.len()), (0, 1), "{condition}");
    }
}

#[test]
fn alternatives_that_linkerd_anchors_one_by_one_are_told() {
    let path = |path: &str| profile(&format!("routes: [{{name: r, condition: {{pathRegex: '{path}'}}}}]"));
    for whole in ["/(a|b)", r"/a\|b", "/[|]", " /a "] {
        let (objects, left) = translated(From::Auto, &path(whole));
        assert_eq!(objects[0]["spec"]["matches"][0]["pathRegex"], whole.trim());
        assert_eq!(left, Vec::<String>::new(), "{whole}");
    }
    let (objects, left) = translated(From::Auto, &path("/a|/b"));
    assert_eq!((objects.len(), left), (1, vec!["Part spec.routes[0].condition".to_owned()]));
}

#[test]
fn overrides_become_a_split_unless_linkerd_smi_has_written_them() {
    let to = |authority: &str| {
        format!(
            "dstOverrides: [{{authority: web.shop.svc.cluster.local, weight: 500m}}, {{authority: {authority}, weight: '1'}}]"
        )
    };
    let own = profile(&to("v2.shop.svc.cluster.local"));
    let split = whole(From::Auto, &own);
    let backends = json!([{"service": "web", "weight": 500}, {"service": "v2", "weight": 1000}]);
    assert_eq!(split["spec"], json!({"service": "web", "backends": backends}));
    for other in ["v2.bank.svc.cluster.local", "v2.shop.svc.cluster.local:8080"] {
        assert_eq!(
            translated(From::Auto, &profile(&to(other))),
            (vec![], vec!["Part spec.dstOverrides[1].authority".to_owned()])
        );
    }
    let source = "---\n{apiVersion: split.smi-spec.io/v1alpha1, kind: TrafficSplit, metadata: {name: s, namespace: shop}, spec: {service: web, backends: [{service: web, weight: 1}]}}\n";
    assert_eq!(whole(From::Auto, &format!("{own}{source}"))["metadata"]["name"], "s");
}
