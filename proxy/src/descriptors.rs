//! The file descriptors that the process may have.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// More are of no use, and some kernels make a process pay for the size of the table.
const ENOUGH: u64 = 1 << 20;

/// Raises the limit as far as it may be, as every proxy does for itself, and says how many there are.
pub fn raise() -> usize {
    let (soft, hard) = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok(limits) => limits,
        Err(error) => {
            tracing::warn!(%error, "the limit of file descriptors can't be read");
            return usize::try_from(ENOUGH).unwrap_or(usize::MAX);
        }
    };
    let wanted = hard.min(ENOUGH).max(soft);
    let got = match setrlimit(Resource::RLIMIT_NOFILE, wanted, hard) {
        Ok(()) => wanted,
        Err(error) => {
            tracing::warn!(%error, soft, hard, "the limit of file descriptors can't be raised");
            soft
        }
    };
    usize::try_from(got).unwrap_or(usize::MAX)
}
