//! Versions: digests of content, so that equal contents have equal versions on every replica.

use aws_lc_rs::digest;
use prost::Message;

/// The version of a message's content: 32 hex digits. The contract has no maps, so that equal messages encode alike.
pub fn of(message: &impl Message) -> String {
    let hash = digest::digest(&digest::SHA256, &message.encode_to_vec());
    hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
