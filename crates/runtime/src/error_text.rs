//! What errors say, in one line.

use std::{error::Error, iter};

/// An error with its causes, which the texts of hyper and tonic leave out.
pub fn with_causes(error: &dyn Error) -> String {
    format!("{error}{}", causes(error))
}

/// What has caused an error, each after a colon; nothing if it doesn't say.
pub fn causes(error: &dyn Error) -> String {
    iter::successors(error.source(), |cause| (**cause).source()).map(|cause| format!(": {cause}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the hub can't be reached")]
    struct Unreachable(#[from] std::io::Error);

    #[test]
    fn an_error_is_told_with_what_has_caused_it() {
        let refused = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "refused");
        assert_eq!(with_causes(&refused), "refused");
        assert_eq!(with_causes(&Unreachable(refused)), "the hub can't be reached: refused");
    }
}
