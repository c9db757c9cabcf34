use super::*;

#[test]
fn a_port_given_twice_is_one_element() {
    assert_eq!(ports("s", &[80, 443, 80]).elements.len(), 2);
}

#[test]
fn without_user_and_mark_nothing_tells_the_proxy_apart() {
    let goes = |config: &RedirectConfig| {
        let own = Expr::Verdict(Verdict::Goto("own_address".into()));
        outbound(config).iter().filter(|rule| rule.contains(&own)).count()
    };
    assert_eq!(goes(&RedirectConfig::default()), 0);
    assert_eq!(goes(&RedirectConfig { proxy_uid: Some(1), proxy_mark: Some(2), ..Default::default() }), 2);
}
