use super::*;
use crate::wire::Attrs;

/// Hexadecimal words of four bytes, as `nft --debug=netlink` groups them; integers of attribute headers in host order.
fn bytes(expr: &Expr) -> Vec<u8> {
    let mut attrs = Attrs::default();
    expr.encode(&mut attrs);
    attrs.finish().unwrap()
}

fn attr(kind: u16, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len() + 4).unwrap();
    let mut out = [&len.to_ne_bytes()[..], &kind.to_ne_bytes(), body].concat();
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn expr(name: &str, data: &[u8]) -> Vec<u8> {
    let name = attr(1, format!("{name}\0").as_bytes());
    attr(0x8001, &[name, attr(0x8002, data)].concat())
}

#[test]
fn a_comparison_holds_register_operator_and_value() {
    let expected =
        expr("cmp", &[attr(1, &[0, 0, 0, 9]), attr(2, &[0, 0, 0, 1]), attr(0x8003, &attr(1, &[0, 80]))].concat());
    assert_eq!(bytes(&Expr::Cmp(Reg(1), Cmp::Ne, vec![0, 80])), expected);
}

#[test]
fn a_jump_is_an_immediate_into_the_verdict_register() {
    let body = [attr(1, &(-3i32).to_be_bytes()), attr(2, b"svc\0")].concat();
    let expected = expr("immediate", &[attr(1, &[0; 4]), attr(0x8002, &attr(0x8002, &body))].concat());
    assert_eq!(bytes(&Expr::Verdict(Verdict::Jump("svc".into()))), expected);
}

#[test]
fn a_port_is_two_bytes_of_the_transport_header() {
    let words = [(1u16, 8u32), (2, 2), (3, 2), (4, 2)];
    let data = words.map(|(kind, word)| attr(kind, &word.to_be_bytes())).concat();
    assert_eq!(bytes(&Expr::Payload(Payload::DestinationPort, Reg(0))), expr("payload", &data));
}

#[test]
fn dnat_without_a_port_keeps_the_port() {
    let words = [(1u16, 1u32), (2, 2), (3, 8)];
    let data = words.map(|(kind, word)| attr(kind, &word.to_be_bytes())).concat();
    assert_eq!(bytes(&Expr::Nat4(NatKind::Dnat, Reg(0), None)), expr("nat", &data));
}
