//! Names of pods for other meshes, which say nothing of the pod.

use aws_lc_rs::hmac;
use isthmus_core::federation::Token;

/// Letters of a token, 5 bits each: two pods of a service have the same one by no chance that matters.
const LETTERS: usize = 16;
/// Base32 (RFC 4648 §6) in lower case: it stands in a DNS name.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Makes tokens. Every replica has the same key, so that catalogs and gateways agree on them.
#[derive(Debug, Clone)]
pub(crate) struct TokenKey(hmac::Key);

impl TokenKey {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The token of the pod with this uid. `None` can't be: the alphabet is that of tokens.
    pub(crate) fn of(&self, uid: &str) -> Option<Token> {
        let tag = hmac::sign(&self.0, uid.as_bytes());
        let bits =
            tag.as_ref().iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect::<Vec<_>>();
        let letter = |five: &[u8]| ALPHABET.get(five.iter().fold(0, |value, bit| value << 1 | usize::from(*bit)));
        let text: Option<String> =
            bits.chunks_exact(5).take(LETTERS).map(|five| letter(five).map(|l| char::from(*l))).collect();
        text?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_same_for_the_same_key_and_pod_alone() {
        let (key, other) = (TokenKey::new(b"one"), TokenKey::new(b"two"));
        let token = key.of("uid-1").unwrap();
        assert_eq!(token.as_str().len(), LETTERS);
        assert_eq!(Some(&token), TokenKey::new(b"one").of("uid-1").as_ref());
        assert_ne!(Some(&token), key.of("uid-2").as_ref());
        assert_ne!(Some(&token), other.of("uid-1").as_ref());
    }

    #[test]
    fn the_text_is_base32() {
        // By arithmetic on the whole number rather than bit by bit.
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"one"), b"uid-1");
        let number = tag.as_ref().iter().take(10).fold(0_u128, |n, byte| n << 8 | u128::from(*byte));
        let expected: String =
            (0..16).rev().map(|i| char::from(ALPHABET[usize::try_from(number >> (5 * i) & 31).unwrap()])).collect();
        assert_eq!(TokenKey::new(b"one").of("uid-1").unwrap().as_str(), expected);
    }
}
