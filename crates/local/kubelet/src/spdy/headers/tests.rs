use proptest::prelude::*;

use super::*;

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn blocks_of_one_direction_share_their_compression() {
    let (mut encoder, mut decoder) = (HeaderEncoder::new().unwrap(), HeaderDecoder::new());
    let first = headers(&[("streamtype", "error"), ("port", "80"), ("requestid", "0")]);
    let second = headers(&[("streamtype", "data"), ("port", "80"), ("requestid", "0")]);
    let blocks =
        [encoder.encode(&first).unwrap(), encoder.encode(&second).unwrap(), encoder.encode(&headers(&[])).unwrap()];
    assert!(blocks[1].len() < blocks[0].len(), "the second block leans on the first");
    assert_eq!(decoder.decode(&blocks[0]).unwrap(), first);
    assert_eq!(decoder.decode(&blocks[1]).unwrap(), second);
    assert_eq!(decoder.decode(&blocks[2]).unwrap(), headers(&[]));
}

/// Go's `compress/zlib` and C's zlib write the dictionary's checksum after the two bytes of zlib's header.
#[test]
fn the_dictionary_is_the_standards() {
    assert_eq!(dictionary().len(), 1423);
    let block = HeaderEncoder::new().unwrap().encode(&headers(&[])).unwrap();
    assert_eq!(block.get(2..6).unwrap(), CHECKSUM.to_be_bytes());
}

#[test]
fn bombs_are_refused() {
    let mut encoder = HeaderEncoder::new().unwrap();
    let block = encoder.encode(&headers(&[("a", &"x".repeat(10 * MAX_BLOCK))])).unwrap();
    assert!(block.len() < MAX_BLOCK / 10);
    assert_eq!(HeaderDecoder::new().decode(&block).unwrap_err(), HeaderError::TooLarge);
    let many: Headers = (0..=MAX_HEADERS).map(|n| (n.to_string(), String::new())).collect();
    let block = HeaderEncoder::new().unwrap().encode(&many).unwrap();
    assert_eq!(HeaderDecoder::new().decode(&block).unwrap_err(), HeaderError::TooLarge);
}

proptest! {
    #[test]
    fn any_headers_come_back(pairs in prop::collection::btree_map("[a-z-]{1,20}", ".{0,200}", 0..20)) {
        let block = HeaderEncoder::new().unwrap().encode(&pairs).unwrap();
        prop_assert_eq!(HeaderDecoder::new().decode(&block).unwrap(), pairs);
    }

    #[test]
    fn damaged_blocks_are_errors_not_panics(
        pairs in prop::collection::btree_map("[a-z]{1,9}", "[a-z]{0,99}", 0..9),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        junk in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut block = HeaderEncoder::new().unwrap().encode(&pairs).unwrap();
        let at = at.index(block.len());
        block[at] = byte;
        let mut decoder = HeaderDecoder::new();
        let _ = decoder.decode(&block);
        let _ = decoder.decode(&junk);
        let _ = pairs_of(&junk);
    }
}

fn pairs_of(junk: &[u8]) -> Result<Headers, HeaderError> {
    super::pairs(junk)
}
