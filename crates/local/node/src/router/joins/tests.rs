use super::*;

fn state() -> State {
    let (east, west) = ("100.64.0.0/24".parse().unwrap(), "100.64.7.0/24".parse().unwrap());
    let end = End::of(east, west);
    State { peers: [("west".to_owned(), (end, transit(west, east)))].into(), faults: Vec::new() }
}

#[test]
fn each_end_has_an_address_and_a_name_of_its_own() {
    let end = &state().peers["west"].0;
    assert_eq!((end.link.as_str(), end.address), ("link647f0700", Ipv4Addr::new(100, 127, 0, 7)));
    assert_eq!(state().peers["west"].1, Ipv4Addr::new(100, 127, 7, 0));
    assert_ne!(end.mac(), End { address: state().peers["west"].1, ..end.clone() }.mac());
}

#[test]
fn faults_are_read_and_go_to_their_link() {
    let text = r#"[{"cluster": "west", "port": 15443, "dropOneIn": 100}, {"cluster": "west"}]"#;
    let faults: Vec<LinkFault> = serde_json::from_str(text).unwrap();
    let mut state = state();
    state.check(&faults).unwrap();
    state.faults = faults;
    let links = state.links();
    let losses =
        [(Some(15443), 100), (None, 1)].map(|(port, many)| Loss { port, one_in: NonZeroU32::new(many).unwrap() });
    assert_eq!(links[0].losses, losses);
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
}
