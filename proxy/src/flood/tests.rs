use proptest::prelude::*;

use super::*;

const HEADERS: Frame = Frame { kind: Kind::Headers, length: 20 };
const RESET: Frame = Frame { kind: Kind::Reset, length: 4 };
const CONTROL: Frame = Frame { kind: Kind::Control, length: 8 };

fn at(seconds: u64) -> impl Fn() -> Duration {
    move || Duration::from_secs(seconds)
}

#[test]
fn control_frames_are_let_through_up_to_a_number() {
    let mut account = Account::new();
    for _ in 0..CONTROL_FRAMES {
        assert_eq!(account.received(CONTROL, at(0)), Ok(()));
    }
    assert_eq!(account.received(CONTROL, at(0)), Err(Flood::Control));
    // With time they come back.
    for _ in 0..CONTROL_FRAMES_A_SECOND {
        assert_eq!(account.received(CONTROL, at(1)), Ok(()));
    }
    assert_eq!(account.received(CONTROL, at(1)), Err(Flood::Control));
}

#[test]
fn traffic_pays_for_its_control_frames() {
    let mut account = Account::new();
    for _ in 0..CONTROL_FRAMES {
        // A window update for each half KiB of an answer, on the stream and on the connection.
        account.earn(Frame { kind: Kind::Data, length: 16 << 10 });
        for _ in 0..64 {
            assert_eq!(account.received(CONTROL, at(0)), Ok(()));
        }
    }
}

#[test]
fn half_of_all_streams_may_be_reset_for_ever_and_all_of_them_for_a_while() {
    let mut account = Account::new();
    for _ in 0..RESETS * 10 {
        assert_eq!(account.received(HEADERS, at(0)), Ok(()));
        assert_eq!(account.received(HEADERS, at(0)), Ok(()));
        assert_eq!(account.received(RESET, at(0)), Ok(()));
    }
    let mut account = Account::new();
    let pairs = (0..RESETS * 10)
        .take_while(|_| account.received(HEADERS, at(0)).is_ok() && account.received(RESET, at(0)).is_ok());
    assert_eq!(pairs.count(), usize::try_from(RESETS).unwrap() - 1);
}

proptest! {
    /// However the bytes are cut, the frames are the same.
    #[test]
    fn frames_are_found_in_any_pieces(
        frames in prop::collection::vec((0u8..12, 0u8..2, 0usize..300), 0..20),
        pieces in prop::collection::vec(1usize..40, 1..50),
        preface: bool,
    ) {
        let mut bytes = if preface { vec![b'x'; 24] } else { Vec::new() };
        let mut expected = Vec::new();
        for (kind, flags, length) in frames {
            let size = u32::try_from(length).unwrap();
            bytes.extend_from_slice(&size.to_be_bytes()[1..]);
            bytes.extend_from_slice(&[kind, flags, 0, 0, 0, 1]);
            bytes.resize(bytes.len() + length, 0xff);
            let kind = match kind {
                0 if length > 0 || flags == 1 => Kind::Data,
                1 => Kind::Headers,
                3 => Kind::Reset,
                _ => Kind::Control,
            };
            expected.push(Frame { kind, length: size });
        }
        let mut found = Vec::new();
        let mut scanner = if preface { Frames::after_preface() } else { Frames::default() };
        let mut rest = &bytes[..];
        for piece in pieces.iter().cycle() {
            let (part, behind) = rest.split_at((*piece).min(rest.len()));
            scanner.sent(part, |frame| found.push(frame));
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(found, expected);
    }
}
