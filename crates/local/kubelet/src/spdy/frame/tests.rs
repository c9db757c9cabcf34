use proptest::prelude::*;

use super::*;

fn frame() -> impl Strategy<Value = Frame> {
    let id = || 1u32..0x7fff_ffff;
    let headers = || prop::collection::btree_map("[a-z]{1,9}", "[ -~]{0,30}", 0..5);
    prop_oneof![
        (id(), headers(), any::<bool>()).prop_map(|(id, headers, fin)| Frame::SynStream { id, headers, fin }),
        (id(), headers(), any::<bool>()).prop_map(|(id, headers, fin)| Frame::SynReply { id, headers, fin }),
        (id(), prop::collection::vec(any::<u8>(), 0..500), any::<bool>()).prop_map(|(id, data, fin)| Frame::Data {
            id,
            data: data.into(),
            fin
        }),
        (id(), any::<u32>()).prop_map(|(id, status)| Frame::RstStream { id, status }),
        any::<u32>().prop_map(|id| Frame::Ping { id }),
        (id(), any::<u32>()).prop_map(|(last, status)| Frame::GoAway { last, status }),
        Just(Frame::Other { kind: 9 }),
    ]
}

fn decode_all(codec: &mut Codec, input: &mut BytesMut) -> Result<Vec<Frame>, FrameError> {
    std::iter::from_fn(|| codec.decode(input).transpose()).collect()
}

proptest! {
    #[test]
    fn frames_come_back_however_they_are_cut(frames in prop::collection::vec(frame(), 0..12), cut in 1usize..40) {
        let (mut writer, mut reader) = (Codec::new().unwrap(), Codec::new().unwrap());
        let mut wire = BytesMut::new();
        frames.iter().for_each(|frame| writer.encode(frame.clone(), &mut wire).unwrap());
        let (mut input, mut read) = (BytesMut::new(), Vec::new());
        for piece in wire.chunks(cut) {
            input.extend_from_slice(piece);
            read.extend(decode_all(&mut reader, &mut input).unwrap());
        }
        prop_assert_eq!(read, frames);
        prop_assert!(input.is_empty());
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = decode_all(&mut Codec::new().unwrap(), &mut BytesMut::from(bytes.as_slice()));
    }

    #[test]
    fn random_control_frames_never_panic(
        kinds in prop::collection::vec((0u16..12, any::<u8>(), prop::collection::vec(any::<u8>(), 0..64)), 0..20),
    ) {
        let mut wire = BytesMut::new();
        for (kind, flags, body) in kinds {
            wire.put_u16(0x8003);
            wire.put_u16(kind);
            wire.put_u32(u32::from(flags) << 24 | u32::try_from(body.len()).unwrap());
            wire.put_slice(&body);
        }
        let _ = decode_all(&mut Codec::new().unwrap(), &mut wire);
    }
}

#[test]
fn long_frames_are_refused_before_they_are_read() {
    for (first, wanted) in [(1, MAX_DATA + 1), (0x8003_0001, MAX_CONTROL + 1)] {
        let mut wire = BytesMut::new();
        wire.put_u32(first);
        wire.put_u32(u32::try_from(wanted).unwrap());
        let error = Codec::new().unwrap().decode(&mut wire).unwrap_err();
        assert!(matches!(error, FrameError::TooLong(length) if length == wanted), "{error}");
    }
}

#[test]
fn other_versions_are_refused() {
    let mut wire = BytesMut::from(&[0x80, 2, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1][..]);
    assert!(matches!(Codec::new().unwrap().decode(&mut wire), Err(FrameError::UnknownVersion(2))));
}
