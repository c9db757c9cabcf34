use super::*;

fn way(service: &ObjectName) -> Egress {
    Egress { services: HashSet::from([(service.clone(), 80)]), ..Egress::default() }
}

fn cluster(service: &ObjectName, gateway: u8, token: &str) -> Egress {
    let gateways = vec![([100, 64, 0, gateway], 15443).into()];
    Egress { gateways, tokens: HashSet::from([token.parse().unwrap()]), ..way(service) }
}

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
                vec![Egress { gateways: vec![([100, 64, 0, 10], 15443).into()], ..way(&catalog) }],
            ),
            ("north".parse().unwrap(), vec![way(&catalog)]),
            ("south".parse().unwrap(), vec![cluster(&catalog, 20, "ee"), cluster(&catalog, 30, "ff")]),
            ("west".parse().unwrap(), vec![cluster(&catalog, 40, "gg")]),
        ]),
    }
}

fn find(name: &str) -> Result<String, NotRouted> {
    let routes = routes();
    routes.find(&name.parse().unwrap()).map(|found| match found {
        Found::One(addr) => addr.to_string(),
        Found::Any(targets) => format!("any of {}", targets.len()),
        Found::Gateways(gateways) => format!("{gateways:?}"),
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
    assert_eq!(find("aa.p80.catalog.shop.svc.east.mesh").as_deref(), Ok("[100.64.0.10:15443]"));
    assert_eq!(find("p80.orders.shop.svc.east.mesh"), Err(NotRouted::NotImported));
    assert_eq!(find("p80.catalog.shop.svc.north.mesh"), Err(NotRouted::NoEndpoint));
    assert_eq!(find("p80.catalog.shop.svc.nowhere.mesh"), Err(NotRouted::UnknownMesh));
}

#[test]
fn of_a_mesh_of_several_clusters_a_pod_is_reached_through_the_gateways_of_its_own() {
    assert_eq!(find("ee.p80.catalog.shop.svc.south.mesh").as_deref(), Ok("[100.64.0.20:15443]"));
    assert_eq!(find("ff.p80.catalog.shop.svc.south.mesh").as_deref(), Ok("[100.64.0.30:15443]"));
    assert_eq!(find("aa.p80.catalog.shop.svc.south.mesh"), Err(NotRouted::UnknownToken));
    assert_eq!(find("p80.catalog.shop.svc.south.mesh").as_deref(), Ok("[100.64.0.20:15443]"));
}

#[test]
fn a_pod_of_another_cluster_of_the_own_mesh_is_reached_by_its_token_alone() {
    assert_eq!(find("gg.p80.catalog.shop.svc.west.mesh").as_deref(), Ok("[100.64.0.40:15443]"));
    assert_eq!(find("gg.p80.orders.shop.svc.west.mesh"), Err(NotRouted::NotImported));
    // Its own pods are its own, and what nobody is known to have goes nowhere.
    assert_eq!(find("aa.p80.catalog.shop.svc.west.mesh").as_deref(), Ok("10.44.0.5:8080"));
    assert_eq!(find("hh.p80.catalog.shop.svc.west.mesh"), Err(NotRouted::UnknownToken));
    assert_eq!(find("p80.idle.shop.svc.west.mesh"), Err(NotRouted::NoEndpoint));
}
