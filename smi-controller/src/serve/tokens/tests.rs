use serde_json::json;

use super::*;

fn read(change: impl FnOnce(&mut serde_json::Value)) -> Result<Speaker, TokenError> {
    let mut status = json!({
        "authenticated": true, "audiences": ["isthmus"],
        "user": {"username": "system:serviceaccount:shop:web",
                 "extra": {POD_NAME: ["web-1"], POD_UID: ["u1"]}}
    });
    change(&mut status);
    speaker(serde_json::from_value(status).unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_never_answers_is_not_waited_for() {
    let silent = tower::service_fn(|_: http::Request<kube::client::Body>| {
        std::future::pending::<Result<http::Response<kube::client::Body>, std::io::Error>>()
    });
    let tokens = KubeTokens(Client::new(silent, "default"));
    let error = tokens.review("token".into()).await.unwrap_err();
    assert!(matches!(&error, TokenError::Unavailable(why) if why.contains("10s")), "{error}");
}

#[test]
fn account_and_pod_come_from_the_token() {
    let web = read(|_| {}).unwrap();
    assert_eq!((web.account.to_string(), web.pod.to_string()), ("shop/web".into(), "shop/web-1".into()));
}

#[test]
fn a_token_for_something_else_is_not_taken() {
    assert!(matches!(read(|s| s["authenticated"] = json!(false)), Err(TokenError::Refused(_))));
    for (field, value) in [("audiences", json!(["https://kubernetes.default"])), ("audiences", json!(null))] {
        assert!(matches!(read(|s| s[field] = value), Err(TokenError::Unfit(_))));
    }
    assert!(matches!(read(|s| s["user"]["username"] = json!("alice")), Err(TokenError::Unfit(_))));
    assert!(matches!(read(|s| s["user"]["username"] = json!("system:serviceaccount::web")), Err(TokenError::Unfit(_))));
    assert!(matches!(read(|s| s["user"]["extra"] = json!({})), Err(TokenError::Unfit(_))));
}
