use super::*;

fn one_in(many: u32, port: Option<u16>) -> Loss {
    Loss { port, one_in: NonZeroU32::new(many).unwrap() }
}

#[test]
fn losses_are_certain_or_by_chance() {
    let link = named(MetaKey::IifName, "to-west");
    let all = lost(&link, one_in(1, None));
    assert_eq!(all, [[&link[..], &[Expr::Verdict(Verdict::Drop)]].concat()]);
    let some = lost(&link, one_in(100, None));
    assert!(some.len() == 1 && some[0].contains(&Expr::Random(100, Reg(0))), "{some:?}");
}

#[test]
fn a_port_is_lost_in_both_directions() {
    let rules = lost(&named(MetaKey::OifName, "to-west"), one_in(1, Some(15443)));
    let compares = |field| rules.iter().any(|rule| rule.contains(&Expr::Payload(field, Reg(0))));
    assert!(rules.len() == 2 && compares(Payload::SourcePort) && compares(Payload::DestinationPort), "{rules:?}");
    assert!(rules.iter().all(|rule| rule.contains(&Expr::Cmp(Reg(0), Cmp::Eq, 15443u16.to_be_bytes().into()))));
}

#[test]
fn names_are_padded_to_what_the_kernel_compares() {
    let [_, Expr::Cmp(_, _, name)] = &named(MetaKey::IifName, "to-west")[..] else { panic!("no comparison") };
    assert_eq!(name, b"to-west\0\0\0\0\0\0\0\0\0");
}
