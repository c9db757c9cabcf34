use super::*;

fn accept(text: &str) -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, text.parse().unwrap())])
}

#[test]
fn the_first_known_form_is_taken() {
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
    assert_eq!(form(&HeaderMap::new()).unwrap(), Form::Object);
    assert_eq!(form(&accept(table)).unwrap(), Form::Table);
    let partial = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    assert_eq!(form(&accept(partial)).unwrap(), Form::Metadata);
    assert_eq!(form(&accept("application/vnd.kubernetes.protobuf,application/json")).unwrap(), Form::Object);
    assert_eq!(form(&accept("*/*")).unwrap(), Form::Object);
    assert_eq!(form(&accept("application/vnd.kubernetes.protobuf")).unwrap_err().code, 406);
    assert_eq!(form(&accept("application/json;as=Other;g=meta.k8s.io;v=v1")).unwrap_err().code, 406);
}

#[test]
fn aggregated_discovery_is_given_to_those_who_ask() {
    let kubectl = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
    assert_eq!(aggregated_discovery(&accept(kubectl)), Some("v2"));
    assert_eq!(aggregated_discovery(&accept("application/json")), None);
    assert_eq!(aggregated_discovery(&HeaderMap::new()), None);
}
