use proptest::prelude::*;

use super::*;

fn name(text: &str) -> Result<RemoteName, InvalidName> {
    text.parse()
}

#[test]
fn a_service_and_one_pod_of_it_have_names() {
    let any = name("p80.catalog.shop.svc.west.mesh").unwrap();
    assert_eq!((any.port, any.service.to_string(), any.mesh.as_str()), (80, "shop/catalog".to_owned(), "west"));
    assert_eq!(any.token, None);
    let one = name("abc234.p80.catalog.shop.svc.west.mesh").unwrap();
    assert_eq!(one.token.unwrap().as_str(), "abc234");
}

#[test]
fn case_and_a_final_dot_make_no_difference() {
    assert_eq!(name("P80.Catalog.SHOP.svc.west.MESH.").unwrap(), name("p80.catalog.shop.svc.west.mesh").unwrap());
}

#[test]
fn what_is_no_such_name_is_refused() {
    let long = format!("p80.{}.{}.svc.{}.mesh", "a".repeat(63), "b".repeat(63), "c".repeat(63));
    assert!(name(&long).is_ok());
    let refused = [
        "",
        "mesh",
        "west.mesh",
        "p80.catalog.shop.svc.west.local",
        "p80.catalog.shop.pod.west.mesh",
        "p0.catalog.shop.svc.west.mesh",
        "p080.catalog.shop.svc.west.mesh",
        "p+80.catalog.shop.svc.west.mesh",
        "p65536.catalog.shop.svc.west.mesh",
        "80.catalog.shop.svc.west.mesh",
        "p80..shop.svc.west.mesh",
        "p80.-a.shop.svc.west.mesh",
        "p80.catalog.shop.svc..mesh",
        "ABC1.p80.catalog.shop.svc.west.mesh",
        "x.abc.p80.catalog.shop.svc.west.mesh",
        "p80.cät.shop.svc.west.mesh",
    ];
    for text in refused {
        assert!(name(text).is_err(), "{text}");
    }
    assert!(name(&format!("{}.{long}", "a".repeat(60))).is_err());
}

proptest! {
    #[test]
    fn names_are_reversible(
        token in proptest::option::of("[a-z2-7]{1,32}"),
        port in 1..=u16::MAX,
        service in "[a-z0-9]{1,63}",
        namespace in "[a-z0-9]{1,63}",
        mesh in "[a-z0-9]{1,20}",
    ) {
        let token = token.map(|token| token.parse().unwrap());
        let remote = RemoteName { token, port, service: ObjectName::new(namespace, service), mesh: mesh.parse().unwrap() };
        prop_assert_eq!(remote.to_string().parse(), Ok(remote));
    }

    #[test]
    fn no_text_breaks_the_parser(text in ".{0,300}") {
        if let Ok(remote) = text.parse::<RemoteName>() {
            prop_assert_eq!(remote.to_string(), text.strip_suffix('.').unwrap_or(&text).to_ascii_lowercase());
        }
    }
}
