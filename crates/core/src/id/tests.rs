use super::*;

#[test]
fn a_service_account_has_one_id_and_it_reads_back() {
    let domain = TrustDomain::new("shop.example").unwrap();
    let id = SpiffeId::for_service_account(&domain, "default", "web").unwrap();
    assert_eq!(id.as_str(), "spiffe://shop.example/ns/default/sa/web");
    assert_eq!(id.service_account(), Some(("default", "web")));
    assert_eq!(id.trust_domain(), &domain);
}

#[test]
fn a28_spiffe_ids_are_accepted_with_and_without_the_scheme() {
    let bare = SpiffeId::parse_lenient("cluster.local/ns/default/sa/service-a").unwrap();
    let full = SpiffeId::parse_lenient("spiffe://cluster.local/ns/default/sa/service-a").unwrap();
    assert_eq!(bare, full);
}

#[test]
fn ids_outside_the_standard_are_refused() {
    let long = format!("spiffe://d/{}", "a".repeat(MAX_SPIFFE_ID));
    for text in [
        "",
        "https://d/a",
        "spiffe://",
        "spiffe://d",
        "spiffe://d/",
        "spiffe://D/a",
        "spiffe://d:80/a",
        "spiffe://u@d/a",
        "spiffe://d/a/",
        "spiffe://d//a",
        "spiffe://d/./a",
        "spiffe://d/../a",
        "spiffe://d/a?b",
        "spiffe://d/a#b",
        "spiffe://d/%41",
        "SPIFFE://d/a",
        &long,
    ] {
        assert!(text.parse::<SpiffeId>().is_err(), "{text}");
    }
    assert!(TrustDomain::new(&"a".repeat(256)).is_err());
}

#[test]
fn a_path_of_another_shape_names_no_service_account() {
    for text in ["spiffe://d/ns/a", "spiffe://d/ns/a/sa/b/c", "spiffe://d/x/ns/a/sa/b", "spiffe://d/ns/a/b/sa/c"] {
        assert_eq!(text.parse::<SpiffeId>().unwrap().service_account(), None, "{text}");
    }
}

#[test]
fn a_prefix_covers_what_is_below_it_and_nothing_beside_it() {
    let prefix: SpiffePrefix = "spiffe://west.local/ns/shop/*".parse().unwrap();
    let covers = |id: &str| prefix.covers(&id.parse().unwrap());
    assert!(covers("spiffe://west.local/ns/shop/sa/web"));
    assert!(!covers("spiffe://west.local/ns/shop"));
    assert!(!covers("spiffe://west.local/ns/shopping/sa/web"));
    assert!(!covers("spiffe://east.local/ns/shop/sa/web"));
    assert!(!covers("spiffe://west.local.evil/ns/shop/sa/web"));
    for text in ["spiffe://west.local/*", "spiffe://west.local/ns/*/sa/*", "spiffe://west.local/ns/shop", "/*", "*"] {
        assert!(text.parse::<SpiffePrefix>().is_err(), "{text}");
    }
    assert_eq!(
        SpiffePattern::parse_lenient("west.local/ns/shop/*").unwrap(),
        SpiffePattern::Below("spiffe://west.local/ns/shop/*".parse().unwrap())
    );
}
