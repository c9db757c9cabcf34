use super::*;
use crate::wire::Op;

fn table() -> Ruleset {
    let mut rules = Ruleset::new(Family::Ip, "t");
    rules
        .set(Set {
            name: "vips".into(),
            key_len: 4,
            data: SetData::Verdict,
            elements: (0u32..300)
                .map(|n| Element::Verdict(n.to_be_bytes().to_vec(), Verdict::Jump("svc".into())))
                .collect(),
        })
        .chain("svc", vec![vec![Expr::Counter], vec![Expr::Verdict(Verdict::Accept)]]);
    rules
}

#[test]
fn the_batch_replaces_the_table_and_names_nothing_before_it_exists() {
    let ops: Vec<Op> = table().messages().iter().map(|message| message.op).collect();
    use Op::*;
    let expected =
        [NewTable, DelTable, NewTable, NewSet, NewChain, NewElements, NewElements, NewElements, NewRule, NewRule];
    assert_eq!(ops, expected);
}

#[test]
fn a_message_says_what_it_does() {
    let messages = table().messages();
    assert_eq!(messages.last().unwrap().what, "add rule 2 of chain svc of table t");
}

#[test]
fn a_name_that_the_kernel_would_cut_is_refused_before_it_is_sent() {
    let mut rules = Ruleset::new(Family::Ip, "t");
    rules.chain("x".repeat(256), Vec::new());
    assert!(matches!(rules.apply(), Err(Error::Name { .. })));
    assert!(matches!(remove_table(Family::Ip, "a\0b"), Err(Error::Name { .. })));
}
