use super::*;

fn gateways(texts: &[&str]) -> BTreeSet<GatewayAddress> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn ips(texts: &[&str]) -> Answer {
    Ok(texts.iter().map(|text| text.parse().unwrap()).collect())
}

fn host() -> HostName {
    "west.example.org".parse().unwrap()
}

/// With the name asked for, at `start`.
fn asked(start: Instant) -> Addresses {
    let mut addresses = Addresses::default();
    assert_eq!(addresses.ask(&BTreeSet::from([host()]), start), [host()]);
    addresses
}

fn seen(addresses: &Addresses) -> Vec<String> {
    addresses.of(&gateways(&["west.example.org:15443"]), &[]).iter().map(ToString::to_string).collect()
}

#[test]
fn addresses_stand_for_themselves_and_names_for_what_was_found() {
    let now = Instant::now();
    let mut addresses = asked(now);
    let both = gateways(&["192.0.2.1:443", "west.example.org:15443"]);
    let of = |addresses: &Addresses| addresses.of(&both, &[]).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(of(&addresses), ["192.0.2.1:443"], "what isn't known yet is nowhere");
    addresses.take(&host(), ips(&["192.0.2.9", "192.0.2.8", "2001:db8::1", "192.0.2.9"]), now);
    assert_eq!(of(&addresses), ["192.0.2.1:443", "192.0.2.8:15443", "192.0.2.9:15443", "[2001:db8::1]:15443"]);
}

#[test]
fn a_name_is_asked_for_at_once_then_every_thirty_seconds_and_sooner_after_a_failure() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let used = BTreeSet::from([host()]);
    let mut addresses = asked(start);
    assert_eq!(addresses.ask(&used, at(100)), [], "the answer is awaited");
    addresses.take(&host(), ips(&["192.0.2.8"]), at(1));
    assert_eq!((addresses.ask(&used, at(30)), addresses.ask(&used, at(31))), (vec![], vec![host()]));
    addresses.take(&host(), Err("SERVFAIL".into()), at(32));
    assert_eq!((addresses.ask(&used, at(36)), addresses.ask(&used, at(37))), (vec![], vec![host()]));
}

#[test]
fn the_last_good_answer_stays_while_lookups_fail_and_the_failure_is_told() {
    let now = Instant::now();
    let mut addresses = asked(now);
    let gateways = gateways(&["west.example.org:15443"]);
    let failure = |addresses: &Addresses| addresses.status(&gateways)[0].failure.clone();
    addresses.take(&host(), Err("SERVFAIL".into()), now);
    assert_eq!((seen(&addresses), failure(&addresses).as_deref()), (vec![], Some("SERVFAIL")));
    addresses.take(&host(), ips(&["192.0.2.8"]), now);
    assert_eq!((seen(&addresses), failure(&addresses)), (vec!["192.0.2.8:15443".to_owned()], None));
    for nothing in [Err("SERVFAIL".into()), ips(&[]), ips(&["127.0.0.1", "::"])] {
        addresses.take(&host(), nothing, now);
        assert_eq!(seen(&addresses), ["192.0.2.8:15443"]);
        assert!(failure(&addresses).is_some());
    }
    addresses.take(&host(), ips(&["192.0.2.9"]), now);
    assert_eq!((seen(&addresses), failure(&addresses)), (vec!["192.0.2.9:15443".to_owned()], None));
}

#[test]
fn what_was_in_use_before_a_gateway_became_a_name_stays_until_the_name_is_known() {
    let (now, before) = (Instant::now(), ["192.0.2.1:15443".parse().unwrap()]);
    let named = gateways(&["west.example.org:15443"]);
    let both = gateways(&["west.example.org:15443", "192.0.2.5:15443"]);
    let of = |addresses: &Addresses, gateways: &BTreeSet<GatewayAddress>| {
        addresses.of(gateways, &before).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let (old, new, other) = ("192.0.2.1:15443", "192.0.2.8:15443", "192.0.2.5:15443");
    assert_eq!(of(&Addresses::default(), &named), [old], "it isn't even asked for yet");
    let mut addresses = asked(now);
    assert_eq!((of(&addresses, &named), of(&addresses, &both)), (vec![old.to_owned()], vec![old.into(), other.into()]));
    addresses.take(&host(), Err("SERVFAIL".into()), now);
    assert_eq!((of(&addresses, &named), of(&addresses, &both)), (vec![old.to_owned()], vec![other.to_owned()]));
    addresses.take(&host(), ips(&["192.0.2.8"]), now);
    assert_eq!((of(&addresses, &named), of(&addresses, &both)), (vec![new.to_owned()], vec![other.into(), new.into()]));
    assert_eq!(of(&addresses, &BTreeSet::new()), Vec::<String>::new(), "there are none any more");
}

#[test]
fn what_was_found_is_there_after_a_restart_and_is_asked_for_anew() {
    let now = Instant::now();
    let mut before = asked(now);
    before.take(&host(), ips(&["192.0.2.8"]), now);
    let mut after = Addresses::default();
    after.restore(&before.status(&gateways(&["west.example.org:15443"])));
    assert_eq!(seen(&after), ["192.0.2.8:15443"]);
    assert_eq!(after.ask(&BTreeSet::from([host()]), now), [host()]);
}

#[test]
fn a_name_that_is_not_used_any_more_is_forgotten() {
    let now = Instant::now();
    let mut addresses = asked(now);
    addresses.take(&host(), ips(&["192.0.2.8"]), now);
    assert_eq!(addresses.ask(&BTreeSet::new(), now), []);
    addresses.take(&host(), ips(&["192.0.2.8"]), now);
    assert_eq!(seen(&addresses), Vec::<String>::new());
}

#[test]
fn a_name_has_no_more_addresses_than_are_used_nor_has_a_cluster() {
    let now = Instant::now();
    let many = |octet: u8| (0..100).map(|n| IpAddr::from([10, 0, octet, n])).collect::<Vec<_>>();
    let mut addresses = asked(now);
    addresses.take(&host(), Ok(many(0)), now);
    assert_eq!(seen(&addresses).len(), MAX_ADDRESSES);
    let texts: Vec<String> = (0..10).map(|n| format!("gw{n}.example.org:15443")).collect();
    let gateways = gateways(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let used = names(&gateways);
    addresses.ask(&used, now);
    used.iter().zip(0..).for_each(|(host, octet)| addresses.take(host, Ok(many(octet)), now));
    assert_eq!(addresses.of(&gateways, &[]).len(), MAX_GATEWAYS);
}
