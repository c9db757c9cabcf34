use super::*;

#[test]
fn every_profile_can_be_read() {
    for name in Profile::names() {
        let profile = Profile::named(name).unwrap();
        assert!(!profile.title.is_empty() && !profile.versions.is_empty(), "{name}");
        assert!(profile.host.contains("$(service)") && profile.host.contains("$(namespace)"), "{name}");
    }
    assert!(Profile::named(DEFAULT).is_ok());
    let error = Profile::named("nothing").unwrap_err().to_string();
    assert!(error.contains("there are generic, isthmus, linkerd"), "{error}");
}

#[test]
fn what_a_mesh_lacks_is_told() {
    let linkerd = Profile::named("linkerd").unwrap();
    for (need, has) in [
        ("TrafficSplit/v1alpha1", true),
        ("TrafficSplit/v1alpha4", false),
        ("TrafficSplit", true),
        ("TrafficTarget", false),
        ("http2", true),
        ("deny-by-default", false),
    ] {
        assert_eq!(linkerd.has(need), has, "{need}");
    }
}

#[test]
fn what_it_does_not_know_is_refused() {
    assert!(Profile::read("x", "{ title: X, versions: {}, feature: [] }").is_err());
}

#[test]
fn services_are_called_in_the_mesh_s_way() {
    let name = |profile: &str| Profile::named(profile).unwrap().host("app", "ns");
    assert_eq!(name("isthmus"), "app.ns.svc.cluster.local");
    assert_eq!(name("traefik-mesh"), "app.ns.traefik.mesh");
}
