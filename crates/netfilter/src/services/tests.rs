use super::*;

fn port(address: &str, protocol: Protocol, endpoints: &[&str]) -> ServicePort {
    ServicePort {
        address: address.parse().unwrap(),
        protocol,
        endpoints: endpoints.iter().map(|endpoint| endpoint.parse().unwrap()).collect(),
    }
}

#[test]
fn keys_are_padded_to_words() {
    let web = port("10.43.0.10:53", Protocol::Udp, &[]);
    assert_eq!(key(&web), [10, 43, 0, 10, 17, 0, 0, 0, 0, 53, 0, 0]);
    assert_eq!(destination("10.42.0.7:8080".parse().unwrap()), [10, 42, 0, 7, 0x1f, 0x90, 0, 0]);
}

#[test]
fn endpoints_of_several_services_are_one_hairpin_each() {
    let web = port("10.43.0.1:80", Protocol::Tcp, &["10.42.0.7:80", "10.42.0.8:80"]);
    let dns = port("10.43.0.1:53", Protocol::Udp, &["10.42.0.7:53"]);
    assert_eq!(hairpins(&[&web, &dns]).elements.len(), 2);
}
