//! Randomness: identifiers, suffixes of names.

use aws_lc_rs::rand;
use isthmus_local_machinery::meta;

/// A random UUID.
pub(crate) fn uid() -> String {
    meta::uid(bytes())
}

/// `prefix` and five random letters.
pub(crate) fn generate_name(prefix: &str) -> String {
    meta::generate_name(prefix, bytes())
}

/// A random number.
pub(crate) fn number() -> u64 {
    u64::from_be_bytes(bytes())
}

fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The system's generator fails only where it is missing altogether; TLS would not work there either.
    if rand::fill(&mut bytes).is_err() {
        tracing::error!("the system gives no random bytes");
    }
    bytes
}
