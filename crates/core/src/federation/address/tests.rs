use super::*;

fn read(text: &str) -> Result<String, InvalidAddress> {
    text.parse().map(|address: GatewayAddress| address.to_string())
}

#[test]
fn addresses_and_names_are_read_and_written_in_one_form() {
    let label = "a".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}:443", "b".repeat(61));
    for (text, written) in [
        ("192.0.2.7:15443", "192.0.2.7:15443"),
        ("[fd00:0::1]:15443", "[fd00::1]:15443"),
        ("gateway.example.org:15443", "gateway.example.org:15443"),
        ("A1-b.ELB.Example.ORG.:443", "a1-b.elb.example.org:443"),
        ("xn--bcher-kva.example:65535", "xn--bcher-kva.example:65535"),
        (&longest, &longest),
    ] {
        assert_eq!(read(text).as_deref(), Ok(written));
        assert_eq!(read(written).as_deref(), Ok(written), "what was written is read again");
    }
}

#[test]
fn what_is_no_host_and_port_is_refused() {
    let texts = ["", "gateway.example.org", "192.0.2.7", ":15443", "gateway.example.org:", "gateway.example.org:0"];
    let ports = ["a.b:+1", "a.b:080", "a.b:65536", "a.b:http", "192.0.2.7:0"];
    let brackets = ["fd00::1:15443", "[fd00::1:15443", "[192.0.2.7]:15443", "[a.b]:15443", "fd00::1]:15443"];
    for text in texts.into_iter().chain(ports).chain(brackets) {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn what_is_no_full_dns_name_is_refused() {
    let label = "a".repeat(63);
    let too_long = format!("{label}.{label}.{label}.{}", "b".repeat(62));
    let long_label = format!("{}.example", "a".repeat(64));
    let names =
        ["gateway", "localhost.", "..", "a..b", ".a.b", "a.b..", "-a.b", "a-.b", "a_b.example", "bücher.example"];
    // As an address some systems would read these.
    let numbers = ["192.0.2", "192.0.2.256", "1.2.3.4.5", "a.1"];
    let odd = ["a b.example", "a.b/c", "a@b.example", "%00.example", too_long.as_str(), long_label.as_str()];
    for name in names.into_iter().chain(numbers).chain(odd) {
        assert!(matches!(read(&format!("{name}:443")), Err(InvalidAddress::Host(_))), "{name}");
    }
}

#[test]
fn an_error_repeats_no_more_than_it_must() {
    let error = read(&format!("{}:443", "a.".repeat(5000))).unwrap_err().to_string();
    assert!(error.len() < 400, "{}", error.len());
}

#[test]
fn what_means_the_callers_own_host_or_no_single_one_is_not_abroad() {
    let abroad = |text: &str| is_abroad(text.parse().unwrap());
    assert!(["192.0.2.7", "10.0.0.1", "fd00::1", "::ffff:10.0.0.1"].into_iter().all(abroad));
    let own = ["127.0.0.1", "127.8.8.8", "0.0.0.0", "224.0.0.1", "::1", "::", "ff02::1", "::ffff:127.0.0.1"];
    assert!(!own.into_iter().any(abroad));
}
