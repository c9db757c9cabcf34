use crate::run::{CRD, Kubectl, SPLIT, finish};

#[tokio::test(flavor = "multi_thread")]
async fn wait_sees_conditions_values_and_deletions() {
    let Some(k) = Kubectl::start().await else { return };
    k.run_with_input("apply -f -", CRD).await;
    k.run("wait --for=condition=Established crd/splits.x.io --timeout=20s", &[]).await;
    k.run_with_input("apply -f -", SPLIT).await;

    let condition = k.command("wait --for=condition=Programmed sp/s1 --timeout=30s", &[]).spawn().unwrap();
    let value = k.command("wait sp/s1 --timeout=30s", &["--for=jsonpath={.status.phase}=Ready"]).spawn().unwrap();
    let status = r#"{"status":{"phase":"Ready","conditions":[{"type":"Programmed","status":"True"}]}}"#;
    k.run("patch sp s1 --subresource=status --type=merge -p", &[status]).await;
    for child in [condition, value] {
        let done = finish(child).await;
        assert!(done.ok && done.out.contains("condition met"), "{}{}", done.out, done.err);
    }

    let gone = k.command("wait --for=delete sp/s1 --timeout=30s", &[]).spawn().unwrap();
    k.run("delete sp s1 --wait=false", &[]).await;
    let done = finish(gone).await;
    assert!(done.ok, "{}{}", done.out, done.err);
    let err = k.fail("wait --for=condition=X cm/kube-root-ca.crt --timeout=1s", &[]).await;
    assert!(err.contains("timed out"), "{err}");
}
