//! Links between routers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::time::Duration;

use isthmus_netfilter::{Cidr, Detour, Link, Loss, links};

use super::Case;
use super::support::{add_address, ask, ask_from, default_route, greeter, neighbour};

pub(crate) const CASES: &[Case] = &[
    ("only_the_open_range_is_reached_by_a_link", closed),
    ("a_forged_source_is_dropped_at_a_link", forged),
    ("what_leaves_by_a_link_has_its_address", masqueraded),
    ("a_lossy_port_loses_nothing_of_others", lossy),
    ("a_detour_leads_to_a_relay_that_learns_the_destination", detoured),
];

const OPEN: Cidr = Cidr { address: IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), prefix: 24 };
const HERE: &str = "10.9.0.2";
const THERE: &str = "10.9.0.3";

fn apply(losses: Vec<Loss>) {
    let link = Link { name: "inside".into(), peer: THERE.parse().unwrap(), losses, detours: Vec::new() };
    links(&[link], OPEN).apply().unwrap();
}

/// A pod and an open address, and a neighbour that routes everything here.
fn asked_by_a_neighbour(act: impl FnOnce() + Send + 'static) {
    add_address("lo", "10.42.0.5", 32);
    add_address("lo", "100.64.0.10", 32);
    greeter("10.42.0.5:80", "pod");
    greeter("100.64.0.10:80", "open");
    greeter("100.64.0.10:81", "another");
    let client = neighbour(HERE, THERE, move || {
        default_route("outside", HERE);
        act();
    });
    client.join().unwrap();
}

fn closed() {
    apply(Vec::new());
    asked_by_a_neighbour(|| {
        assert!(ask("100.64.0.10:80").unwrap().starts_with("open"));
        for address in ["10.42.0.5:80", "10.9.0.2:80"] {
            assert_eq!(ask(address).unwrap_err().kind(), io::ErrorKind::ConnectionRefused, "{address}");
        }
    });
}

fn forged() {
    apply(Vec::new());
    asked_by_a_neighbour(|| {
        add_address("outside", "10.9.0.4", 24);
        let short = Duration::from_millis(300);
        assert!(ask_from(THERE, "100.64.0.10:80", Duration::from_secs(5)).is_ok());
        assert_eq!(ask_from("10.9.0.4", "100.64.0.10:80", short).unwrap_err().kind(), io::ErrorKind::TimedOut);
    });
}

fn masqueraded() {
    apply(Vec::new());
    add_address("lo", "10.42.0.5", 32);
    let (told, heard) = std::sync::mpsc::channel();
    let server = neighbour(HERE, THERE, move || {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 80)).unwrap();
        told.send(None).unwrap();
        told.send(Some(listener.accept().unwrap().1.ip())).unwrap();
    });
    assert_eq!(heard.recv().unwrap(), None);
    // There is no way back to the pod's own address; and what it asked for comes in though the range isn't open.
    ask_from("10.42.0.5", &SocketAddr::new(THERE.parse().unwrap(), 80).to_string(), Duration::from_secs(5)).unwrap();
    assert_eq!(heard.recv().unwrap(), Some(HERE.parse::<IpAddr>().unwrap()));
    server.join().unwrap();
}

fn lossy() {
    apply(vec![Loss { port: Some(80), one_in: NonZeroU32::MIN }, Loss { port: None, one_in: NonZeroU32::MAX }]);
    asked_by_a_neighbour(|| {
        let short = Duration::from_millis(300);
        assert_eq!(ask_from(THERE, "100.64.0.10:80", short).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(ask("100.64.0.10:81").unwrap().starts_with("another"));
    });
}

/// The neighbour is a pod here, and what it asks for is elsewhere.
fn detoured() {
    let range = Cidr { address: [100, 64, 7, 0].into(), prefix: 24 };
    add_address("lo", "10.42.0.1", 32);
    greeter("10.42.0.1:9000", "relay");
    let detours = vec![Detour { range, port: Some(80), relay: "10.42.0.1:9000".parse().unwrap() }];
    let link = Link { name: "elsewhere".into(), peer: [192, 0, 2, 1].into(), losses: Vec::new(), detours };
    links(&[link], OPEN).apply().unwrap();
    asked_by_a_neighbour(|| {
        assert_eq!(ask("100.64.7.10:80").unwrap(), "relay 100.64.7.10:80");
        assert!(ask("100.64.0.10:80").unwrap().starts_with("open"), "another range");
        assert!(ask_from(THERE, "100.64.7.10:81", Duration::from_millis(300)).is_err(), "another port");
    });
}
