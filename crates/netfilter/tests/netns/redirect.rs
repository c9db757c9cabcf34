//! A pod's traffic through its proxy.

use isthmus_netfilter::{Cidr, RedirectConfig, redirect, remove_redirect};
use nix::unistd::Uid;

use super::Case;
use super::support::{add_address, ask, ask_marked, greeter, neighbour};

pub(crate) const CASES: &[Case] = &[
    ("outbound_ipv4_is_redirected_with_its_original_destination", outbound_v4),
    ("outbound_ipv6_is_redirected_with_its_original_destination", outbound_v6),
    ("loopback_ports_and_ranges_are_skipped", skipped),
    ("the_proxy_is_known_by_user", by_user),
    ("the_proxy_is_known_by_mark", by_mark),
    ("the_proxy_reaches_its_own_pod_through_the_inbound_port", own_address),
    ("inbound_is_redirected_but_for_skipped_ports", inbound),
    ("applying_twice_and_removing_twice", idempotent),
];

const INBOUND: u16 = 15_006;
const OUTBOUND: u16 = 15_001;

fn config() -> RedirectConfig {
    RedirectConfig { inbound_port: INBOUND, outbound_port: OUTBOUND, ..RedirectConfig::default() }
}

fn outbound_v4() {
    add_address("lo", "10.9.0.1", 24);
    greeter("0.0.0.0:15001", "outbound");
    redirect(&config()).apply().unwrap();
    assert_eq!(ask("10.9.0.77:80").unwrap(), "outbound 10.9.0.77:80");
}

fn outbound_v6() {
    add_address("lo", "fd09::1", 128);
    greeter("[::]:15001", "outbound");
    redirect(&config()).apply().unwrap();
    assert_eq!(ask("[fd09::1]:80").unwrap(), "outbound [fd09::1]:80");
}

fn skipped() {
    add_address("lo", "10.9.0.1", 24);
    greeter("127.0.0.1:80", "loopback");
    greeter("[::1]:80", "loopback6");
    greeter("10.9.0.1:81", "port");
    greeter("10.9.0.16:80", "range");
    greeter("0.0.0.0:15001", "outbound");
    let range = Cidr { address: [10, 9, 0, 17].into(), prefix: 28 };
    redirect(&RedirectConfig { skip_outbound_ports: vec![81, 81], skip_outbound_cidrs: vec![range], ..config() })
        .apply()
        .unwrap();
    assert_eq!(ask("127.0.0.1:80").unwrap(), "loopback 127.0.0.1:80");
    assert!(ask("[::1]:80").unwrap().starts_with("loopback6"));
    assert!(ask("10.9.0.1:81").unwrap().starts_with("port"));
    assert!(ask("10.9.0.16:80").unwrap().starts_with("range"));
    assert_eq!(ask("10.9.0.32:80").unwrap(), "outbound 10.9.0.32:80");
}

fn by_user() {
    add_address("lo", "10.9.0.1", 24);
    greeter("10.9.0.1:80", "app");
    greeter("0.0.0.0:15001", "outbound");
    let uid = Uid::current().as_raw();
    redirect(&RedirectConfig { proxy_uid: Some(uid), ..config() }).apply().unwrap();
    assert!(ask("10.9.0.1:80").unwrap().starts_with("app"));
    redirect(&RedirectConfig { proxy_uid: Some(uid + 1), ..config() }).apply().unwrap();
    assert!(ask("10.9.0.1:80").unwrap().starts_with("outbound"));
}

fn by_mark() {
    add_address("lo", "10.9.0.1", 24);
    greeter("10.9.0.1:80", "app");
    greeter("0.0.0.0:15001", "outbound");
    redirect(&RedirectConfig { proxy_mark: Some(7), ..config() }).apply().unwrap();
    assert!(ask_marked("10.9.0.1:80", Some(7)).unwrap().starts_with("app"));
    assert!(ask_marked("10.9.0.1:80", Some(8)).unwrap().starts_with("outbound"));
}

fn own_address() {
    add_address("lo", "10.9.0.1", 32);
    greeter("10.9.0.1:80", "app");
    greeter("0.0.0.0:15006", "inbound");
    let config = RedirectConfig { proxy_mark: Some(7), bypass_mark: Some(8), own_address_inbound: true, ..config() };
    redirect(&config).apply().unwrap();
    assert_eq!(ask_marked("10.9.0.1:80", Some(7)).unwrap(), "inbound 10.9.0.1:80");
    assert!(ask_marked("10.9.0.1:80", Some(8)).unwrap().starts_with("app"));
}

fn inbound() {
    greeter("0.0.0.0:15006", "inbound");
    greeter("0.0.0.0:4191", "admin");
    redirect(&RedirectConfig { skip_inbound_ports: vec![4191], ..config() }).apply().unwrap();
    let client = neighbour("10.9.0.2", "10.9.0.3", || {
        assert_eq!(ask("10.9.0.2:8080").unwrap(), "inbound 10.9.0.2:8080");
        assert!(ask("10.9.0.2:4191").unwrap().starts_with("admin"));
    });
    client.join().unwrap();
}

fn idempotent() {
    add_address("lo", "10.9.0.1", 24);
    greeter("10.9.0.1:80", "app");
    remove_redirect().unwrap();
    for _ in 0..2 {
        redirect(&config()).apply().unwrap();
    }
    assert!(ask("10.9.0.1:80").is_err());
    for _ in 0..2 {
        remove_redirect().unwrap();
    }
    assert!(ask("10.9.0.1:80").unwrap().starts_with("app"));
}
