use super::*;

fn routes() -> Routes {
    let target = |token: &str, last| Target { token: token.parse().unwrap(), addr: ([10, 44, 0, last], 8080).into() };
    let catalog = ObjectName::new("shop", "catalog");
    Routes {
        mesh: "west".parse().unwrap(),
        exported: HashMap::from([
            ((catalog.clone(), 80), vec![target("aa", 5), target("bb", 6)]),
            ((ObjectName::new("shop", "idle"), 80), Vec::new()),
        ]),
        peers: HashMap::from([
            (
                "east".parse().unwrap(),
                Egress {
                    gateways: vec![([100, 64, 0, 10], 15443).into()],
                    services: HashSet::from([(catalog.clone(), 80)]),
                },
            ),
            ("north".parse().unwrap(), Egress { gateways: Vec::new(), services: HashSet::from([(catalog, 80)]) }),
        ]),
    }
}

fn find(name: &str) -> Result<String, NotRouted> {
    let routes = routes();
    routes.find(&name.parse().unwrap()).map(|found| match found {
        Found::One(addr) => addr.to_string(),
        Found::Any(targets) => format!("any of {}", targets.len()),
        Found::Gateways(gateways) => format!("{} gateways", gateways.len()),
    })
}

#[test]
fn what_is_exported_is_found_by_name_or_by_token() {
    assert_eq!(find("p80.catalog.shop.svc.west.mesh").as_deref(), Ok("any of 2"));
    assert_eq!(find("bb.p80.catalog.shop.svc.west.mesh").as_deref(), Ok("10.44.0.6:8080"));
}

#[test]
fn what_is_not_exported_is_not() {
    assert_eq!(find("p81.catalog.shop.svc.west.mesh"), Err(NotRouted::NotExported));
    assert_eq!(find("p80.orders.shop.svc.west.mesh"), Err(NotRouted::NotExported));
    assert_eq!(find("aa.p80.orders.shop.svc.west.mesh"), Err(NotRouted::NotExported));
    assert_eq!(find("cc.p80.catalog.shop.svc.west.mesh"), Err(NotRouted::UnknownToken));
    assert_eq!(find("p80.idle.shop.svc.west.mesh"), Err(NotRouted::NoEndpoint));
}

#[test]
fn what_is_imported_goes_to_the_other_meshs_gateways_and_nothing_else_does() {
    assert_eq!(find("aa.p80.catalog.shop.svc.east.mesh").as_deref(), Ok("1 gateways"));
    assert_eq!(find("p80.orders.shop.svc.east.mesh"), Err(NotRouted::NotImported));
    assert_eq!(find("p80.catalog.shop.svc.north.mesh"), Err(NotRouted::NoEndpoint));
    assert_eq!(find("p80.catalog.shop.svc.south.mesh"), Err(NotRouted::UnknownMesh));
}
