//! The short text by which two people agree on a bundle.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest::{SHA256, digest};

use crate::{bundle::Bundle, statement::Statement};

const ALGORITHM: &str = "sha256:";

/// The SHA-256 of a trust domain and its roots, as an invitation carries it: `sha256:` and 64 hexadecimal digits.
/// Sequence and refresh hint aren't part of it: the roots' own signatures bind those.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleDigest([u8; 32]);

/// The text isn't a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bundle digest {0:?} must be sha256: and 64 hexadecimal digits; copy it from the invitation")]
pub struct BadDigest(String);

impl BundleDigest {
    /// The digest of a bundle, whatever the order of its roots.
    pub fn of(bundle: &Bundle) -> Self {
        let mut roots: Vec<&[u8]> = bundle.roots.iter().map(AsRef::as_ref).collect();
        roots.sort_unstable();
        roots.dedup();
        let parts = std::iter::once(bundle.trust_domain.as_str().as_bytes()).chain(roots);
        let digest = digest(&SHA256, Statement::new("bundle digest", parts).as_bytes());
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Self(bytes)
    }
}

impl FromStr for BundleDigest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let bad = || BadDigest(text.chars().take(80).collect());
        let digits = text.strip_prefix(ALGORITHM).map(str::as_bytes).ok_or_else(bad)?;
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return Err(bad());
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            for digit in pair {
                let value = char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
                *byte = *byte << 4 | value.ok_or_else(bad)?;
            }
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for BundleDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ALGORITHM)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BundleDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
