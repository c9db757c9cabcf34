use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::server::Server;
use crate::{admin, code};

/// A definition of `things.x.io` with these versions; the first is stored.
pub(crate) fn definition(versions: &[&str]) -> Value {
    let schema = json!({
        "type": "object",
        "properties": {
            "spec": { "type": "object", "properties": {
                "size": { "x-kubernetes-int-or-string": true },
                "mode": { "type": "string", "enum": ["a", "b"], "default": "a" },
                "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
            } },
            "status": { "type": "object", "properties": { "ready": { "type": "boolean" } } },
        },
    });
    let one = |(i, name): (usize, &&str)| {
        json!({
            "name": name, "served": true, "storage": i == 0, "subresources": { "status": {} },
            "schema": { "openAPIV3Schema": schema },
        })
    };
    let versions: Vec<_> = versions.iter().enumerate().map(one).collect();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "things.x.io" },
        "spec": {
            "group": "x.io", "scope": "Namespaced", "names": { "kind": "Thing", "plural": "things" },
            "versions": versions,
        },
    })
}

pub(crate) async fn define(client: &Client, definition: Value) -> CustomResourceDefinition {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    api.create(&PostParams::default(), &serde_json::from_value(definition).unwrap()).await.unwrap()
}

pub(crate) fn things(client: &Client, version: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("x.io", version, "Thing"));
    Api::default_namespaced_with(client.clone(), &resource)
}

pub(crate) fn thing(version: &str, name: &str, spec: Value) -> DynamicObject {
    let object = json!({
        "apiVersion": format!("x.io/{version}"), "kind": "Thing", "metadata": { "name": name }, "spec": spec,
    });
    serde_json::from_value(object).unwrap()
}

#[tokio::test]
async fn unknown_fields_go_defaults_come_and_faults_are_named() {
    let server = Server::start().await;
    let client = admin(&server).await;
    define(&client, definition(&["v1"])).await;
    let api = things(&client, "v1");
    let post = PostParams::default();
    let spec = json!({ "size": "10%", "gone": 1, "free": { "kept": [1] } });
    let made = api.create(&post, &thing("v1", "a", spec)).await.unwrap();
    assert_eq!(made.data["spec"], json!({ "size": "10%", "mode": "a", "free": { "kept": [1] } }));
    for spec in [json!({ "mode": "c" }), json!({ "size": true }), json!(5)] {
        assert_eq!(code(api.create(&post, &thing("v1", "b", spec)).await), 422);
    }
    let strict = PatchParams { field_validation: Some(kube::api::ValidationDirective::Strict), ..Default::default() };
    let patch = Patch::Merge(json!({ "spec": { "none": 1 } }));
    assert_eq!(code(api.patch("a", &strict, &patch).await), 400);
}

#[tokio::test]
async fn status_and_spec_are_written_apart_and_only_spec_counts() {
    let server = Server::start().await;
    let client = admin(&server).await;
    define(&client, definition(&["v1"])).await;
    let api = things(&client, "v1");
    let made = api.create(&PostParams::default(), &thing("v1", "a", json!({}))).await.unwrap();
    assert_eq!(made.metadata.generation, Some(1));
    let apply =
        |status: bool| Patch::Apply(json!({ "apiVersion": "x.io/v1", "kind": "Thing", "status": { "ready": status } }));
    let params = PatchParams::apply("controller").force();
    let done = api.patch_status("a", &params, &apply(true)).await.unwrap();
    assert_eq!((&done.data["status"]["ready"], done.metadata.generation), (&json!(true), Some(1)));
    let again = api.patch_status("a", &params, &apply(true)).await.unwrap();
    assert_eq!(again.metadata.resource_version, done.metadata.resource_version);
    let both = Patch::Merge(json!({ "spec": { "size": 3 }, "status": { "ready": false } }));
    let spec = api.patch("a", &PatchParams::default(), &both).await.unwrap();
    assert_eq!((&spec.data["status"]["ready"], spec.metadata.generation), (&json!(true), Some(2)));
    let mut put = spec.clone();
    put.data["status"] = json!({ "ready": false });
    put.data["spec"] = json!({ "size": 4 });
    let put = api.replace_status("a", &PostParams::default(), &put).await.unwrap();
    assert_eq!((&put.data["status"]["ready"], &put.data["spec"]["size"]), (&json!(false), &json!(3)));
}

#[tokio::test]
async fn several_versions_show_the_same_objects() {
    let server = Server::start().await;
    let client = admin(&server).await;
    define(&client, definition(&["v1", "v1alpha1"])).await;
    things(&client, "v1alpha1").create(&PostParams::default(), &thing("v1alpha1", "a", json!({}))).await.unwrap();
    let new = things(&client, "v1").list(&ListParams::default()).await.unwrap();
    assert_eq!(new.items.len(), 1);
    let object = things(&client, "v1").get("a").await.unwrap();
    assert_eq!(object.types.unwrap().api_version, "x.io/v1");
    assert_eq!(things(&client, "v1alpha1").get("a").await.unwrap().types.unwrap().api_version, "x.io/v1alpha1");
}

#[tokio::test]
async fn the_second_definition_of_a_name_waits_for_the_first() {
    let server = Server::start().await;
    let client = admin(&server).await;
    define(&client, definition(&["v1"])).await;
    let mut second = definition(&["v1"]);
    second["metadata"]["name"] = json!("others.x.io");
    second["spec"]["names"] = json!({ "kind": "Thing", "plural": "others" });
    let made = define(&client, second).await;
    let status = |crd: &CustomResourceDefinition, name: &str| {
        let conditions = crd.status.clone().unwrap().conditions.unwrap();
        conditions.into_iter().find(|c| c.type_ == name).map(|c| (c.status, c.reason.unwrap_or_default())).unwrap()
    };
    assert_eq!(status(&made, "NamesAccepted"), ("False".to_owned(), "ListKindConflict".to_owned()));
    assert_eq!(status(&made, "Established").0, "False");
    let api: Api<CustomResourceDefinition> = Api::all(client);
    api.delete("things.x.io", &Default::default()).await.unwrap();
    assert_eq!(status(&api.get("others.x.io").await.unwrap(), "Established").0, "True");
}

#[tokio::test]
async fn discovery_follows_a_definition_at_once() {
    let server = Server::start().await;
    let client = admin(&server).await;
    assert!(kube::discovery::group(&client, "x.io").await.is_err());
    define(&client, definition(&["v1", "v1alpha1"])).await;
    let group = kube::discovery::group(&client, "x.io").await.unwrap();
    assert_eq!(group.preferred_version(), Some("v1"));
    assert_eq!(group.versions().count(), 2);
    let all = kube::Discovery::new(client).run_aggregated().await.unwrap();
    assert!(all.groups().any(|group| group.name() == "x.io"));
}

#[tokio::test]
async fn nobody_owns_a_status_that_the_main_endpoint_does_not_write() {
    let server = Server::start().await;
    let client = admin(&server).await;
    define(&client, definition(&["v1"])).await;
    let api = things(&client, "v1");
    let whole = json!({
        "apiVersion": "x.io/v1", "kind": "Thing", "metadata": { "name": "a" },
        "spec": { "size": 1 }, "status": { "ready": true },
    });
    let owned = |object: &DynamicObject| {
        let fields = object.metadata.managed_fields.clone().unwrap_or_default();
        fields
            .iter()
            .any(|entry| entry.subresource.is_none() && entry.fields_v1.as_ref().unwrap().0.get("f:status").is_some())
    };
    // Once for an object that is new, once for one that is there.
    for _ in 0..2 {
        let done = api.patch("a", &PatchParams::apply("one"), &Patch::Apply(&whole)).await.unwrap();
        assert!(done.data.get("status").is_none() && !owned(&done), "{done:?}");
    }
    let mut made = thing("v1", "b", json!({ "size": 1 }));
    made.data["status"] = json!({ "ready": true });
    let made = api.create(&PostParams::default(), &made).await.unwrap();
    assert!(!owned(&made), "{made:?}");
    let mut put = made.clone();
    put.data["status"] = json!({ "ready": true });
    put.data["spec"] = json!({ "size": 2 });
    assert!(!owned(&api.replace("b", &PostParams::default(), &put).await.unwrap()));
    // Nor the one that the server begins with.
    let space = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "n" } });
    let spaces: Api<DynamicObject> =
        Api::all_with(client, &ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Namespace")));
    let space = spaces.create(&PostParams::default(), &serde_json::from_value(space).unwrap()).await.unwrap();
    assert!(space.data["status"]["phase"] == "Active" && !owned(&space), "{space:?}");
}

#[tokio::test]
async fn every_fault_of_a_definition_is_named_once() {
    let server = Server::start().await;
    let client = admin(&server).await;
    let mut faulty = definition(&["v1", "v1"]);
    faulty["spec"]["versions"][1]["storage"] = json!(true);
    faulty["spec"]["group"] = json!("");
    faulty["spec"]["scope"] = json!("Global");
    faulty["spec"]["versions"][0]["schema"] = json!({ "openAPIV3Schema": { "type": "none" } });
    faulty["spec"]["conversion"] = json!({ "strategy": "Webhook" });
    let api: Api<CustomResourceDefinition> = Api::all(client);
    let refused = api.create(&PostParams::default(), &serde_json::from_value(faulty).unwrap()).await.unwrap_err();
    let kube::Error::Api(status) = refused else { panic!("{refused:?}") };
    let mut causes: Vec<_> =
        status.details.unwrap().causes.into_iter().map(|cause| (cause.field, cause.message)).collect();
    for field in [
        "metadata.name",
        "spec.group",
        "spec.scope",
        "spec.versions",
        "spec.versions[1].name",
        "spec.conversion.webhook.clientConfig",
    ] {
        assert_eq!(causes.iter().filter(|(at, _)| at == field).count(), 1, "{field}: {causes:#?}");
    }
    assert!(causes.iter().all(|(field, _)| !field.ends_with('.')), "{causes:#?}");
    let all = causes.len();
    causes.sort();
    causes.dedup();
    assert_eq!(causes.len(), all);
}
