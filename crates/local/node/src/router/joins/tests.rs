use super::*;

fn state() -> State {
    let (east, west) = ("100.64.0.0/24".parse().unwrap(), "100.64.7.0/24".parse().unwrap());
    let end = End::of(east, west);
    let peer = Peer { end, address: transit(west, east), range: west };
    State { peers: [("west".to_owned(), peer)].into(), ..State::default() }
}

#[test]
fn each_end_has_an_address_and_a_name_of_its_own() {
    let state = state();
    let Peer { end, address, .. } = &state.peers["west"];
    assert_eq!((end.link.as_str(), end.address), ("link647f0700", Ipv4Addr::new(100, 127, 0, 7)));
    assert_eq!(*address, Ipv4Addr::new(100, 127, 7, 0));
    assert_ne!(end.mac(), End { address: *address, ..end.clone() }.mac());
}

#[test]
fn faults_are_read_and_go_to_their_link() {
    let text = r#"[{"cluster": "west", "port": 15443, "dropOneIn": 100}, {"cluster": "west"}, {"cluster": "west", "delayMs": 50, "jitterMs": 20}]"#;
    let faults: Vec<LinkFault> = serde_json::from_str(text).unwrap();
    let mut state = state();
    state.check(&faults).unwrap();
    state.faults = faults;
    let links = state.links();
    let losses =
        [(Some(15443), 100), (None, 1)].map(|(port, many)| Loss { port, one_in: NonZeroU32::new(many).unwrap() });
    assert_eq!(links[0].losses, losses);
    let late = Delay { range: state.peers["west"].range, port: None, delay: 50, jitter: 20 };
    assert_eq!(state.delays(), [late]);
}

#[test]
fn what_can_t_be_meant_is_refused() {
    for text in [r#"[{"cluster": "west", "dropOneIn": 0}]"#, r#"[{"cluster": "west", "prot": 1}]"#, r#"[{"port": 1}]"#]
    {
        assert!(serde_json::from_str::<Vec<LinkFault>>(text).is_err(), "{text}");
    }
    let typo: Vec<LinkFault> = serde_json::from_str(r#"[{"cluster": "wset"}]"#).unwrap();
    let told = state().check(&typo).unwrap_err().to_string();
    assert!(told.contains("wset") && told.contains("west"), "{told}");
    let early: Vec<LinkFault> = serde_json::from_str(r#"[{"cluster": "west", "delayMs": 5, "jitterMs": 6}]"#).unwrap();
    assert!(state().check(&early).unwrap_err().to_string().contains("at most delayMs, 5"));
}
