use super::*;

fn row(peer: Peer, cpu: f64, gib: f64, p50_us: f64) -> Row {
    let figures = Figures { cpu_us_per_connection: cpu, cpu_s_per_gib: gib, p50_us, ..Figures::default() };
    Row::of(peer, &[figures])
}

#[test]
fn the_gateway_is_held_against_the_best_of_its_peers() {
    let rows = [
        row(Peer::None, 0.0, 0.0, 40.0),
        row(Peer::Isthmus, 60.0, 0.3, 65.0),
        row(Peer::Haproxy, 80.0, 0.2, 70.0),
        row(Peer::Nginx, 120.0, 0.4, 90.0),
    ];
    let table = report::table(&rows);
    assert!(table.contains("| CPU per connection | haproxy | 1.00 | 0.75 | holds |"), "{table}");
    assert!(table.contains("| CPU per GiB | haproxy | 1.00 | 1.50 | MISSED |"), "{table}");
    assert!(table.contains("| isthmus | 60.0 | 0 | 0.300 | 0.00 | 25 |"), "{table}");
}

#[test]
fn a_hello_is_one_record_that_names_the_application() {
    let hello = load::hello().unwrap();
    assert_eq!(hello.first(), Some(&22));
    let length = usize::from(u16::from_be_bytes([hello[3], hello[4]]));
    assert_eq!(hello.len(), 5 + length, "the server passes over one record");
    let name = load::name().unwrap().to_string();
    assert!(hello.windows(name.len()).any(|bytes| bytes == name.as_bytes()));
}
