//! The mesh's roots in a file of the pod: a sidecar that is started again after they were rotated would otherwise know only those
//! of its pod's making, and not believe the controller.

use std::{io, path::Path};

use isthmus_core::id::TrustDomain;
use isthmus_identity::{BadBundle, Bundle, TrustStore};

use super::Config;

/// Before the sequence, in the file's first line.
const SEQUENCE: &str = "sequence: ";
/// Longest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The roots to begin with: those in the file, or else those of the configuration.
pub(super) fn first(config: &Config) -> Result<Bundle, BadBundle> {
    let saved = config.trust_file.as_deref().and_then(|path| match read(path, &config.trust_domain) {
        Ok(saved) => saved,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the saved roots can't be used: beginning with those of the pod");
            None
        }
    });
    match saved {
        Some(saved) => Ok(saved),
        None => Bundle::from_pem(config.trust_domain.clone(), &config.trust_bundle, 0),
    }
}

fn read(path: &Path, domain: &TrustDomain) -> io::Result<Option<Bundle>> {
    let length = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let bad = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    if length > MAX_BYTES {
        return Err(bad(format!("{length} bytes; at most {MAX_BYTES} are read")));
    }
    let text = std::fs::read_to_string(path)?;
    let sequence = text.lines().next().and_then(|line| line.strip_prefix(SEQUENCE)).and_then(|n| n.parse().ok());
    let sequence = sequence.ok_or_else(|| bad(format!("the first line must be `{SEQUENCE}<number>`")))?;
    let bundle = Bundle::from_pem(domain.clone(), &text, sequence).map_err(|error| bad(error.to_string()))?;
    // What could not be trusted must not be begun with.
    TrustStore::with(std::slice::from_ref(&bundle)).map_err(|error| bad(error.to_string()))?;
    Ok(Some(bundle))
}

/// Writes the present roots. Failing costs a later start only, and only after a rotation.
pub(super) async fn keep(config: &Config, roots: &TrustStore) {
    let (Some(path), Some(bundle)) = (&config.trust_file, roots.bundle(&config.trust_domain)) else { return };
    let text = format!("{SEQUENCE}{}\n{}", bundle.sequence, bundle.to_pem());
    let unfinished = path.with_extension("new");
    let write = async {
        tokio::fs::write(&unfinished, text).await?;
        tokio::fs::rename(&unfinished, path).await
    };
    if let Err(error) = write.await {
        tracing::warn!(path = %path.display(), %error, "couldn't save the roots");
    }
}

#[cfg(test)]
mod tests;
