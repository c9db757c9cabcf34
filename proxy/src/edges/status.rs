//! HTTP status codes as they are counted: common ones each, the others of a class together.

/// Codes that are counted exactly, ascending.
const EXACT: [u16; 28] = [
    101, 200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 408, 409, 412, 422, 429, 499,
    500, 501, 502, 503, 504,
];
/// Places: one for each of them, one for each other class, and one for no answer.
pub(super) const SLOTS: usize = EXACT.len() + 6;

/// What a place counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// No answer came.
    None,
    /// This code.
    Exact(u16),
    /// Codes that begin with this digit, those counted exactly left out.
    Others(u8),
}

impl Code {
    /// The first digit, 0 without an answer.
    pub(crate) fn class(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Exact(code) => u8::try_from(code / 100).unwrap_or(u8::MAX),
            Self::Others(class) => class,
        }
    }
}

/// Where a code is counted; 0 stands for no answer.
pub(super) fn slot_of(status: u16) -> usize {
    EXACT.binary_search(&status).unwrap_or_else(|_| EXACT.len() + usize::from(status / 100).min(5))
}

/// What each place counts.
pub(super) fn codes() -> impl Iterator<Item = Code> {
    let classes = [Code::None, Code::Others(1), Code::Others(2), Code::Others(3), Code::Others(4), Code::Others(5)];
    EXACT.into_iter().map(Code::Exact).chain(classes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_the_place_that_says_so() {
        assert!(EXACT.is_sorted());
        let codes: Vec<Code> = codes().collect();
        assert_eq!(codes.len(), SLOTS);
        let place = |status| codes[slot_of(status)];
        assert_eq!((place(200), place(503), place(0)), (Code::Exact(200), Code::Exact(503), Code::None));
        assert_eq!(
            (place(100), place(299), place(418), place(599)),
            (Code::Others(1), Code::Others(2), Code::Others(4), Code::Others(5))
        );
        assert!((100..600).all(|status| u16::from(place(status).class()) == status / 100));
        assert_eq!(place(999), Code::Others(5));
    }
}
