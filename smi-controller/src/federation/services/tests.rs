use serde_json::json;

use super::*;
use crate::{
    compile::{self, Outlook, Reader},
    testing::{catalog, import, imported, index_of, peer, service, with},
};

fn outlook(more: Vec<Value>) -> Outlook {
    let west = import("catalog", "west", catalog("west", &[("http", 80)], &[("aaaa", "catalog")]));
    let index = index_of([peer("west"), west].into_iter().chain(more));
    compile::outlook(&Reader::new(&index))
}

fn ports(all: &[(u16, &str)]) -> BTreeMap<u16, Port> {
    all.iter().map(|(number, name)| (*number, Port { name: (*name).into(), app_protocol: String::new() })).collect()
}

#[test]
fn a_service_is_made_when_the_ports_are_known() {
    let outlook = outlook(vec![]);
    assert_eq!(step(&outlook.imports[0], None), None);
    let Some(Step::Create(made)) = step(&outlook.imports[0], Some(&ports(&[(80, "http")]))) else { panic!() };
    assert_eq!(made["metadata"]["labels"][IMPORTED_FROM], "west");
    assert_eq!(made["metadata"]["ownerReferences"][0]["uid"], "uid-shop/catalog");
    assert_eq!(made["spec"], json!({"type": "ClusterIP", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}));
}

#[test]
fn a_service_of_somebody_else_is_never_touched() {
    let outlook = outlook(vec![service("catalog", "10.43.0.20", &[81])]);
    assert_eq!(step(&outlook.imports[0], Some(&ports(&[(80, "http")]))), None);
    assert_eq!(outlook.orphans, []);
}

#[test]
fn a_service_of_ours_follows_the_catalogs_ports() {
    let outlook = outlook(vec![imported("catalog", "10.43.0.20", &[80])]);
    assert_eq!(step(&outlook.imports[0], Some(&ports(&[(80, "p80")]))), None, "it is so already");
    let Some(Step::Patch(patch)) = step(&outlook.imports[0], Some(&ports(&[(80, "p80"), (90, "")]))) else { panic!() };
    let names: Vec<_> = patch["spec"]["ports"].as_array().unwrap().iter().map(|port| &port["name"]).collect();
    assert_eq!(names, ["p80", "p90"]);
}

#[test]
fn a_selector_that_somebody_gave_a_service_of_ours_is_taken_away() {
    let selecting = with(imported("catalog", "10.43.0.20", &[80]), "/spec/selector", json!({"app": "web"}));
    let outlook = outlook(vec![selecting]);
    let Some(Step::Patch(patch)) = step(&outlook.imports[0], Some(&ports(&[(80, "p80")]))) else { panic!() };
    assert_eq!(patch["spec"]["selector"], json!(null));
}

#[test]
fn what_an_import_leaves_behind_under_an_older_name_is_found() {
    let old = with(imported("catalog", "10.43.0.20", &[80]), "/metadata/name", json!("books"));
    assert_eq!(outlook(vec![old]).orphans.iter().map(|s| s.name.to_string()).collect::<Vec<_>>(), ["shop/books"]);
}

#[test]
fn slices_name_the_gateways_by_address_family() {
    let outlook = outlook(vec![imported("catalog", "10.43.0.20", &[80])]);
    let imported = &outlook.imports[0];
    let gateways = ["192.0.2.1:15443", "192.0.2.2:15443", "[fd00::1]:15443"].map(|text| text.parse().unwrap());
    let slices = slices(&imported.import, imported.service.as_ref().unwrap(), &gateways);
    let families: Vec<_> =
        slices.iter().map(|(_, slice)| (&slice["addressType"], slice["endpoints"].as_array().unwrap().len())).collect();
    assert_eq!(families, [(&json!("IPv4"), 2), (&json!("IPv6"), 1)]);
    assert_eq!(slices[0].1["metadata"]["labels"]["kubernetes.io/service-name"], "catalog");
    assert_eq!((&slices[0].1["ports"][0]["name"], &slices[0].1["ports"][0]["port"]), (&json!("p80"), &json!(15443)));
}
