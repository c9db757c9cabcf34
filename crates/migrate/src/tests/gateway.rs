use serde_json::json;

use super::*;

fn route(rules: &str) -> String {
    format!(
        "---\n{{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{name: r, namespace: shop}}, spec: {{parentRefs: [{{group: '', kind: Service, name: web}}], rules: {rules}}}}}\n{SERVICE}"
    )
}

const SERVICE: &str =
    "---\n{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {ports: [{port: 80}]}}\n";
const TWO: &str = "backendRefs: [{name: v1, port: 80, weight: 9}, {name: v2, port: 80}]";
const ROOT: &str = "backendRefs: [{name: web, port: 80}]";

#[test]
fn weights_become_a_split() {
    for everything in ["", "matches: [{path: {type: PathPrefix, value: /}}], ", "matches: [{}], "] {
        let split = whole(From::Auto, &route(&format!("[{{{everything}{TWO}}}]")));
        let backends = json!([{"service": "v1", "weight": 9}, {"service": "v2", "weight": 1}]);
        assert_eq!(split["spec"], json!({"service": "web", "backends": backends}));
    }
}

#[test]
fn matches_become_a_group_if_the_rest_goes_to_the_root() {
    let matches = "[{method: GET, headers: [{name: beta, value: a.b}]}, {path: {type: Exact, value: /a.b}}, {path: {value: /c/}}, \
                   {path: {type: RegularExpression, value: /d|/e}, headers: [{name: x, type: RegularExpression, value: y|z}]}]";
    let (objects, left) = translated(From::Auto, &route(&format!("[{{matches: {matches}, {TWO}}}, {{{ROOT}}}]")));
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(
        objects[0]["spec"]["matches"],
        json!([
            {"name": "match-1", "methods": ["GET"], "headers": {"beta": "^a\\.b$"}},
            {"name": "match-2", "pathRegex": "/a\\.b$"},
            {"name": "match-3", "pathRegex": "/c(?:/|$)"},
            {"name": "match-4", "pathRegex": "(?:/d|/e)$", "headers": {"x": "^(?:y|z)$"}},
        ])
    );
    assert_eq!(objects[1]["spec"]["matches"], json!([{"kind": "HTTPRouteGroup", "name": "r-matches"}]));
}

#[test]
fn what_a_split_cannot_say_isnt_printed() {
    let a = "matches: [{path: {value: /a}}]";
    for (rules, field) in [
        (format!("[{{{a}, {TWO}}}]"), "spec.rules"),
        (format!("[{{{a}, {TWO}}}, {{{TWO}}}, {{{ROOT}}}]"), "spec.rules[1].backendRefs"),
        (format!("[{{{a}, {TWO}}}, {{matches: [{{path: {{value: /b}}}}], {ROOT}}}, {{{ROOT}}}]"), "spec.rules"),
        ("[{backendRefs: [{name: a, port: 80, weight: 0}]}]".into(), "spec.rules[0].backendRefs"),
        ("[{}]".into(), "spec.rules[0].backendRefs"),
        ("[]".into(), "spec.rules"),
        ("[{backendRefs: [{name: a, port: 81}]}]".into(), "spec.rules[0].backendRefs[0].port"),
        ("[{backendRefs: [{name: a, port: 80, namespace: bank}]}]".into(), "spec.rules[0].backendRefs[0].namespace"),
        ("[{backendRefs: [{name: a, port: 80, kind: Bucket, group: x}]}]".into(), "spec.rules[0].backendRefs[0].kind"),
        (format!("[{{filters: [{{type: RequestRedirect}}], {TWO}}}]"), "spec.rules[0].filters[0].type"),
        (
            format!("[{{matches: [{{queryParams: [{{name: a, value: b}}]}}], {TWO}}}]"),
            "spec.rules[0].matches[0].queryParams",
        ),
        (
            format!("[{{matches: [{{path: {{type: RegularExpression, value: 'a)|(b'}}}}], {TWO}}}]"),
            "spec.rules[0].matches[0].path.type",
        ),
        (format!("[{{new: 1, {TWO}}}]"), "spec.rules[0].new"),
    ] {
        assert_eq!(translated(From::Auto, &route(&rules)), (vec![], vec![format!("Object {field}")]), "{rules}");
    }
    for parent in [
        "{name: gate}",
        "{group: '', kind: Service, name: web, namespace: bank}",
        "{group: '', kind: Service, name: web, port: 81}",
    ] {
        let yaml = route(&format!("[{{{TWO}}}]")).replace("{group: '', kind: Service, name: web}", parent);
        let (objects, left) = translated(From::Auto, &yaml);
        assert_eq!((objects.len(), left.len()), (0, 1), "{parent}");
    }
}

#[test]
fn what_changes_no_destination_is_left_out_in_part() {
    let rules =
        format!("[{{timeouts: {{request: 1s}}, filters: [{{type: RequestMirror, requestMirror: {{}}}}], {TWO}}}]");
    let (objects, left) = translated(From::Auto, &route(&rules));
    assert_eq!((objects.len(), left.len()), (1, 2), "{left:?}");
    // Which ports an unknown Service has is for the reader to look up.
    let yaml = route(&format!("[{{{TWO}}}]")).replace(SERVICE, "");
    assert_eq!(translated(From::Auto, &yaml).1, ["Part spec.parentRefs[0].port"]);
}

#[test]
fn several_routes_of_a_service_are_one_and_arent_split() {
    let one = route(&format!("[{{{TWO}}}]"));
    let other = one.replace("name: r,", "name: r2,").replace(SERVICE, "");
    let (objects, left) = translated(From::Auto, &format!("{one}{other}"));
    assert_eq!((objects, left), (vec![], vec!["Object spec.parentRefs".to_owned(); 2]));
}
