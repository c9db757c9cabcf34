use crate::run::Kubectl;

#[tokio::test(flavor = "multi_thread")]
async fn whoami_and_can_i_answer_for_all_sorts_of_users() {
    let Some(k) = Kubectl::start().await else { return };
    assert!(k.run("auth whoami", &[]).await.contains("kubernetes-admin"));
    assert!(k.run("auth whoami --as=system:serviceaccount:a:b", &[]).await.contains("system:serviceaccounts:a"));
    assert_eq!(k.run("auth can-i create pods", &[]).await, "yes\n");
    assert_eq!(k.try_run("auth can-i create pods --as=nobody", &[]).await.out, "no\n");
    assert!(k.run("auth can-i --list", &[]).await.contains("*.*"));
    assert!(k.fail("get pods --as=nobody", &[]).await.contains("User \"nobody\" cannot list resource \"pods\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_its_service_account() {
    let Some(k) = Kubectl::start().await else { return };
    k.run("create sa web", &[]).await;
    let token = k.run("create token web --duration=20m", &[]).await;
    let config = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{name: c, cluster: {{server: '{}', insecure-skip-tls-verify: true}}}}]\nusers: [{{name: u, user: {{token: {token}}}}}]\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n",
        k.server.url
    );
    let config = format!("--kubeconfig={}", k.file("sa.yaml", &config));
    assert!(k.run("auth whoami", &[&config]).await.contains("system:serviceaccount:default:web"));
    let err = k.fail("get pods", &[&config]).await;
    assert!(err.contains("system:serviceaccount:default:web") && err.contains("cannot list"), "{err}");
    k.run("create role r --verb=list,get --resource=pods", &[]).await;
    k.run("create rolebinding b --role=r --serviceaccount=default:web", &[]).await;
    k.run("get pods", &[&config]).await;
    assert_eq!(k.run("auth can-i list pods", &[&config]).await, "yes\n");
    k.run("delete sa web", &[]).await;
    assert!(k.fail("get pods", &[&config]).await.contains("Unauthorized"));
    assert!(k.fail("create token web", &[]).await.contains("not found"));
    assert!(k.fail("create token default --duration=1s", &[]).await.contains("10 minutes"));
}
