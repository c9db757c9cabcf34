//! What is signed outside TLS: bytes that can be read in one way only.

/// Begins every statement. What else our keys sign never does: certificates and requests for them begin with the 0x30 of
/// DER, and what TLS 1.3 signs with 64 spaces. So a signature over one of those can't be passed off as one over a statement,
/// nor the other way.
const CONTEXT: &[u8] = b"isthmus.mesh/statement/v1\0";

/// Bytes to sign, bound to a purpose.
pub(crate) struct Statement(Vec<u8>);

impl Statement {
    /// Each part follows its length, so that no two lists of parts give the same bytes.
    pub(crate) fn new<'a>(purpose: &'a str, parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut bytes = CONTEXT.to_vec();
        for part in std::iter::once(purpose.as_bytes()).chain(parts) {
            bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests;
