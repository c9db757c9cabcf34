use proptest::prelude::*;

use super::*;

#[test]
fn attributes_are_padded_and_nested() {
    let mut attrs = Attrs::default();
    attrs.str(1, "ab").nested(4, |inner| {
        inner.u32(1, 3);
    });
    let expected = [
        &7u16.to_ne_bytes()[..],
        &1u16.to_ne_bytes(),
        b"ab\0\0",
        &12u16.to_ne_bytes(),
        &0x8004u16.to_ne_bytes(),
        &8u16.to_ne_bytes(),
        &1u16.to_ne_bytes(),
        &[0, 0, 0, 3],
    ]
    .concat();
    assert_eq!(attrs.finish(), Some(expected));
}

#[test]
fn an_attribute_over_16_bits_is_refused() {
    let mut attrs = Attrs::default();
    attrs.nested(1, |inner| {
        inner.raw(2, &[0; 65_532]);
    });
    assert_eq!(attrs.finish(), None);
}

#[test]
fn a_batch_mark_names_its_subsystem() {
    let bytes = message(Op::BatchBegin, 0, 0, 7, &[]).unwrap();
    let expected = [
        &20u32.to_ne_bytes()[..],
        &0x10u16.to_ne_bytes(),
        &1u16.to_ne_bytes(),
        &7u32.to_ne_bytes(),
        &0u32.to_ne_bytes(),
        &[0, 0, 0, 10],
    ]
    .concat();
    assert_eq!(bytes, expected);
}

fn answer_bytes(seq: u32, code: i32) -> Vec<u8> {
    [
        &36u32.to_ne_bytes()[..],
        &2u16.to_ne_bytes(),
        &0u16.to_ne_bytes(),
        &seq.to_ne_bytes(),
        &0u32.to_ne_bytes(),
        &code.to_ne_bytes(),
        &[0; 16],
    ]
    .concat()
}

#[test]
fn several_answers_in_one_datagram() {
    let bytes = [answer_bytes(3, 0), answer_bytes(4, -17)].concat();
    assert_eq!(answers(&bytes), [Answer { seq: 3, errno: 0 }, Answer { seq: 4, errno: 17 }]);
}

proptest! {
    #[test]
    fn no_answer_makes_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        answers(&bytes);
    }

    #[test]
    fn a_cut_or_bent_answer_does_not_either(at in 0usize..72, cut in 0usize..72, byte: u8) {
        let mut bytes = [answer_bytes(1, -1), answer_bytes(2, i32::MIN)].concat();
        bytes[at] = byte;
        bytes.truncate(cut);
        prop_assert!(answers(&bytes).len() <= 4);
    }
}
