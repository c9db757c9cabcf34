use super::*;

fn message(sequence: u64, base: u64, size: usize) -> proto::Addressed {
    proto::Addressed {
        sealed: Some(proto::Sealed { payload: vec![0; size].into(), ..proto::Sealed::default() }),
        sequence,
        base,
        digest: vec![u8::try_from(sequence % 256).unwrap(); 32].into(),
        ..proto::Addressed::default()
    }
}

fn log(messages: &[proto::Addressed]) -> Option<Log> {
    let mut log = None;
    for message in messages {
        Log::put(&mut log, message.clone()).unwrap();
    }
    log
}

/// The sequences that a receiver at this place is sent.
fn sent(log: &Log, mut place: Option<Place>) -> Vec<u64> {
    let mut sent = Vec::new();
    while let Some((_, next)) = log.after(place) {
        sent.push(next.sequence());
        place = Some(next);
    }
    sent
}

#[test]
fn a_receiver_is_sent_what_follows_on_what_it_has_and_else_the_whole() {
    let log = log(&[message(5, 0, 10), message(7, 5, 1), message(9, 7, 1)]).unwrap();
    for (place, expected) in [
        (None, &[5, 7, 9][..]),
        (Some(Place::At(5)), &[7, 9]),
        (Some(Place::At(7)), &[9]),
        (Some(Place::At(9)), &[]),
        // It has one that isn't here any more, or isn't here yet.
        (Some(Place::At(3)), &[5, 7, 9]),
        (Some(Place::At(6)), &[5, 7, 9]),
        (Some(Place::At(11)), &[]),
        // It has no content; what it wouldn't take isn't sent.
        (Some(Place::Floor(9)), &[5, 7, 9]),
        (Some(Place::Floor(11)), &[]),
    ] {
        assert_eq!(sent(&log, place), expected, "{place:?}");
    }
}

#[test]
fn what_does_not_follow_or_is_old_is_not_kept() {
    let mut kept = log(&[message(5, 0, 10), message(7, 5, 1)]);
    assert_eq!(Log::put(&mut kept, message(9, 5, 1)), Err(NotKept::Gap));
    assert_eq!(Log::put(&mut kept, message(7, 7, 1)), Err(NotKept::Old { held: 7, given: 7 }));
    assert_eq!(Log::put(&mut kept, message(6, 0, 1)), Err(NotKept::Old { held: 7, given: 6 }));
    assert_eq!(Log::put(&mut None, message(6, 5, 1)), Err(NotKept::Gap));
    assert_eq!(
        Log::put(&mut kept, proto::Addressed { digest: vec![1].into(), ..message(9, 7, 1) }),
        Err(NotKept::Digest)
    );
    assert_eq!(Log::put(&mut kept, proto::Addressed { sealed: None, ..message(9, 7, 1) }), Err(NotKept::NoSeal));
    assert_eq!(kept.unwrap().newest().0, 7);
}

#[test]
fn its_memory_has_bounds_and_a_whole_makes_room() {
    let mut kept = log(&[message(1, 0, 10)]);
    let long = Log::put(&mut kept, message(2, 0, MAX_CATALOG_BYTES + 1));
    assert_eq!(long, Err(NotKept::TooLong(MAX_CATALOG_BYTES + 1)));
    let mut newest = 1;
    while Log::put(&mut kept, message(newest + 1, newest, 1)).is_ok() {
        newest += 1;
    }
    assert_eq!(newest, 1 + u64::try_from(MAX_DELTAS).unwrap());
    Log::put(&mut kept, message(1000, 0, 10)).unwrap();
    assert_eq!(kept.as_ref().map(Log::bytes), Some(10));
    // Few and large ones come to an end as well.
    let mut newest = 1000;
    while Log::put(&mut kept, message(newest + 1, newest, MAX_CATALOG_BYTES)).is_ok() {
        newest += 1;
    }
    assert!(kept.unwrap().bytes() <= 2 * MAX_CATALOG_BYTES && newest > 1000);
}
