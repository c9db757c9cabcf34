use super::*;

#[test]
fn a_range_is_named_by_its_first_address() {
    let range: Cidr = "10.42.3.4/16".parse().unwrap();
    assert_eq!(range.to_string(), "10.42.0.0/16");
    assert_eq!(range.nth(257), Some(Ipv4Addr::new(10, 42, 1, 1)));
    assert_eq!(range.nth(65_536), None);
    assert!(range.contains(Ipv4Addr::new(10, 42, 255, 255)) && !range.contains(Ipv4Addr::new(10, 43, 0, 0)));
    assert_eq!(Cidr::new(Ipv4Addr::new(1, 2, 3, 4), 0).first(), Ipv4Addr::UNSPECIFIED);
}

#[test]
fn nonsense_is_named() {
    for text in ["", "10.0.0.0", "10.0.0.0/31", "10.0.0/8", "::/8"] {
        assert!(text.parse::<Cidr>().unwrap_err().to_string().contains(text));
    }
}
