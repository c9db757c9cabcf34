use super::*;

fn read(text: &str) -> Option<String> {
    service(text, "shop", "cluster.local").map(|name| name.to_string())
}

#[test]
fn a13_every_form_of_a_services_name_is_read() {
    for text in ["web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local", "web.shop.svc.cluster.local.", "web."]
    {
        assert_eq!(read(text).as_deref(), Some("shop/web"), "{text}");
    }
    assert_eq!(read("web.other").as_deref(), Some("other/web"));
    assert_eq!(read("WEB.Shop.svc").as_deref(), Some("shop/web"));
}

#[test]
fn other_names_are_not_services() {
    for text in
        ["", ".", "web..", "web..svc.cluster.local", "www.example.com", "web.shop.svc.other.local", "we b", "-web"]
    {
        assert_eq!(read(text), None, "{text}");
    }
}
