use super::version_rank;

#[test]
fn versions_are_ranked_as_kubernetes_does() {
    let mut versions = ["v1alpha1", "foo", "v1", "v1beta1", "v10", "v1beta2", "v2", "v1alpha4"];
    versions.sort_by_key(|version| version_rank(version));
    assert_eq!(versions, ["v10", "v2", "v1", "v1beta2", "v1beta1", "v1alpha4", "v1alpha1", "foo"]);
}
