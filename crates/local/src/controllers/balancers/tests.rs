use serde_json::Value;

use super::*;

fn service(spec: Value) -> Service {
    serde_json::from_value(json!({ "metadata": { "name": "web" }, "spec": spec })).unwrap()
}

fn chosen(spec: Value, held: &[&str], taken: &[&str]) -> Option<String> {
    let parse = |ip: &&str| ip.parse::<Ipv4Addr>().unwrap();
    let held: Vec<_> = held.iter().map(parse).collect();
    let taken = taken.iter().map(parse).collect();
    choose(&service(spec), &held, &taken, "100.64.3.0/24".parse().unwrap()).map(|ip| ip.to_string())
}

#[test]
fn the_first_free_address_is_given_and_then_kept() {
    assert_eq!(chosen(json!({}), &[], &[]).as_deref(), Some("100.64.3.10"));
    assert_eq!(chosen(json!({}), &[], &["100.64.3.10", "100.64.3.12"]).as_deref(), Some("100.64.3.11"));
    assert_eq!(chosen(json!({}), &["100.64.3.99"], &["100.64.3.11"]).as_deref(), Some("100.64.3.99"));
}

#[test]
fn an_address_of_another_range_or_of_another_service_is_not_kept() {
    assert_eq!(chosen(json!({}), &["100.64.0.99"], &[]).as_deref(), Some("100.64.3.10"));
    assert_eq!(chosen(json!({}), &["100.64.3.255"], &[]).as_deref(), Some("100.64.3.10"), "not a host's");
    assert_eq!(chosen(json!({}), &["100.64.3.10"], &["100.64.3.10"]).as_deref(), Some("100.64.3.11"));
}

#[test]
fn an_address_that_is_asked_for_is_given_when_it_is_free() {
    let asks = || json!({ "loadBalancerIP": "100.64.3.50" });
    assert_eq!(chosen(asks(), &["100.64.3.10"], &[]).as_deref(), Some("100.64.3.50"));
    assert_eq!(chosen(asks(), &["100.64.3.10"], &["100.64.3.50"]).as_deref(), Some("100.64.3.10"));
    assert_eq!(chosen(json!({ "loadBalancerIP": "100.64.3.1" }), &["100.64.3.10"], &[]).as_deref(), Some("100.64.3.1"));
}

#[test]
fn an_address_that_can_not_be_given_is_told_with_the_range() {
    let range = "100.64.3.0/24".parse().unwrap();
    let told = |ip: &str| {
        let service = service(json!({ "loadBalancerIP": ip }));
        refused(&service, choose(&service, &[], &BTreeSet::new(), range).unwrap(), range)
    };
    for ip in ["100.64.0.50", "100.64.3.0", "100.64.3.255", "10.0.0.1", "fd00::1", "west"] {
        let note = told(ip).unwrap();
        assert!(
            note.contains(&format!("{ip:?}")) && note.ends_with("100.64.3.10") && note.contains("100.64.3.0/24"),
            "{note}"
        );
    }
    assert_eq!((told("100.64.3.50"), told("")), (None, None));
}

#[test]
fn a_full_range_gives_nothing() {
    let all: Vec<String> = (10..255).map(|n| format!("100.64.3.{n}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(chosen(json!({}), &[], &all), None);
    assert_eq!(chosen(json!({}), &[], &all[..244]).as_deref(), Some("100.64.3.254"));
}

#[test]
fn only_balancers_without_a_class_are_ours() {
    assert!(is_ours(&service(json!({ "type": "LoadBalancer" }))));
    assert!(!is_ours(&service(json!({ "type": "LoadBalancer", "loadBalancerClass": "example.com/other" }))));
    assert!(!is_ours(&service(json!({ "type": "NodePort" }))) && !is_ours(&service(json!({}))));
}
