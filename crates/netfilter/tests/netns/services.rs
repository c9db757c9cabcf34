//! ClusterIPs.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use isthmus_netfilter::{
    ChainType, Cidr, Error, Expr, Family, Hook, Protocol, Ruleset, ServicePort, Verdict, services,
};

use super::Case;
use super::support::{add_address, ask, default_route, greeter, neighbour, range_on_loopback, this_namespace};

pub(crate) const CASES: &[Case] = &[
    ("a_service_address_reaches_every_endpoint", spread),
    ("a_service_without_endpoints_refuses", refused),
    ("an_unknown_service_address_refuses", unknown),
    ("udp_goes_to_its_own_endpoints", udp),
    ("a_change_leaves_open_connections_alone", kept),
    ("many_services_in_one_batch", many),
    ("a_pod_reaches_itself_through_its_service", hairpin),
    ("a_refusal_names_the_rule_and_changes_nothing", refusal),
];

fn service(address: &str, protocol: Protocol, endpoints: &[&str]) -> ServicePort {
    ServicePort {
        address: address.parse().unwrap(),
        protocol,
        endpoints: endpoints.iter().map(|endpoint| endpoint.parse().unwrap()).collect(),
    }
}

fn spread() {
    add_address("lo", "10.43.0.1", 16);
    greeter("127.0.0.2:8080", "one");
    greeter("127.0.0.3:8081", "two");
    services(&[service("10.43.0.5:80", Protocol::Tcp, &["127.0.0.2:8080", "127.0.0.3:8081"])], &[]).apply().unwrap();
    let seen: BTreeSet<String> = (0..64).map(|_| ask("10.43.0.5:80").unwrap()).collect();
    assert_eq!(seen, BTreeSet::from(["one 10.43.0.5:80".to_owned(), "two 10.43.0.5:80".to_owned()]));
}

fn refused() {
    add_address("lo", "10.43.0.1", 16);
    greeter("10.43.0.5:80", "not by that way");
    services(&[service("10.43.0.5:80", Protocol::Tcp, &[])], &[]).apply().unwrap();
    assert_eq!(ask("10.43.0.5:80").unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

/// The client is a neighbour, and the range is routed here without being here.
fn unknown() {
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    let range = Cidr { address: [10, 43, 0, 0].into(), prefix: 16 };
    services(&[], &[range]).apply().unwrap();
    // As a node does, so that its own connections to ClusterIPs have a route; not a redirect back to the sender.
    range_on_loopback("10.43.0.0", 16);
    add_address("lo", "10.9.1.1", 32);
    assert_eq!(ask("10.43.7.7:80").unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    let client = neighbour("10.9.0.2", "10.9.0.3", || {
        default_route("outside", "10.9.0.2");
        assert_eq!(ask("10.43.7.7:80").unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    });
    client.join().unwrap();
}

fn udp() {
    add_address("lo", "10.43.0.1", 16);
    let server = UdpSocket::bind("127.0.0.2:5353").unwrap();
    services(
        &[service("10.43.0.10:53", Protocol::Tcp, &[]), service("10.43.0.10:53", Protocol::Udp, &["127.0.0.2:5353"])],
        &[],
    )
    .apply()
    .unwrap();
    let client = UdpSocket::bind("10.43.0.1:0").unwrap();
    client.connect("10.43.0.10:53").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    client.send(b"question").unwrap();
    let mut buffer = [0; 16];
    let (len, from) = server.recv_from(&mut buffer).unwrap();
    server.send_to(buffer.get(..len).unwrap(), from).unwrap();
    assert_eq!(client.recv(&mut buffer).unwrap(), 8);
}

fn kept() {
    add_address("lo", "10.43.0.1", 16);
    let listener = TcpListener::bind("127.0.0.2:8080").unwrap();
    services(&[service("10.43.0.5:80", Protocol::Tcp, &["127.0.0.2:8080"])], &[]).apply().unwrap();
    let mut client = TcpStream::connect("10.43.0.5:80").unwrap();
    let (mut server, _) = listener.accept().unwrap();
    greeter("127.0.0.3:8080", "new");
    services(&[service("10.43.0.5:80", Protocol::Tcp, &["127.0.0.3:8080"])], &[]).apply().unwrap();
    client.write_all(b"still").unwrap();
    let mut buffer = [0; 5];
    server.read_exact(&mut buffer).unwrap();
    server.write_all(b"there").unwrap();
    client.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"there");
    assert!(ask("10.43.0.5:80").unwrap().starts_with("new"));
}

fn many() {
    add_address("lo", "10.43.0.1", 16);
    greeter("127.0.0.2:8080", "one");
    let all: Vec<ServicePort> = (1..=1000)
        .map(|n: u32| service(&format!("10.43.{}.{}:80", n / 200, n % 200 + 1), Protocol::Tcp, &["127.0.0.2:8080"]))
        .collect();
    services(&all, &[]).apply().unwrap();
    assert!(ask("10.43.4.150:80").unwrap().starts_with("one"));
}

/// This namespace is the router; the pod is its neighbour.
fn hairpin() {
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    services(&[service("10.43.0.5:80", Protocol::Tcp, &["10.9.0.3:8080"])], &[]).apply().unwrap();
    let pod = neighbour("10.9.0.2", "10.9.0.3", || {
        let here = this_namespace();
        default_route("outside", "10.9.0.2");
        greeter("10.9.0.3:8080", "myself");
        thread::spawn(move || {
            here();
            assert!(ask("10.43.0.5:80").unwrap().starts_with("myself"));
        })
        .join()
        .unwrap();
    });
    pod.join().unwrap();
}

fn refusal() {
    add_address("lo", "10.43.0.1", 16);
    greeter("127.0.0.2:8080", "one");
    services(&[service("10.43.0.5:80", Protocol::Tcp, &["127.0.0.2:8080"])], &[]).apply().unwrap();
    let mut bad = Ruleset::new(Family::Ip, isthmus_netfilter::SERVICES_TABLE);
    let jump = vec![Expr::Verdict(Verdict::Jump("nowhere".into()))];
    bad.base_chain("in", ChainType::Filter, Hook::Input, 0, vec![vec![Expr::Counter], jump]);
    let error = bad.apply().unwrap_err();
    assert!(matches!(&error, Error::Refused { .. }), "{error}");
    assert!(error.to_string().contains("add rule 2 of chain in of table isthmus_services"), "{error}");
    assert!(ask("10.43.0.5:80").unwrap().starts_with("one"));
}
