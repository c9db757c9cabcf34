//! The query of a request.

/// Names and values, decoded, in order.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Query(
            pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(n, v)| (decode(n), decode(v))).collect(),
        )
    }

    /// The first value of this name that is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, value)| n == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// All values of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Whether a switch is on: API servers write `1` to kubelets, users `true`.
    pub(crate) fn on(&self, name: &str) -> bool {
        matches!(self.get(name), Some("1" | "true" | "True" | "t" | "T" | "TRUE"))
    }

    /// A number, none if it isn't there.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<u64>, NotANumber> {
        let Some(text) = self.get(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| NotANumber { name, text: text.to_owned() })
    }
}

/// A value that should be a whole number and isn't.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{name}: {text:?} is not a whole number from 0")]
pub(crate) struct NotANumber {
    name: &'static str,
    text: String,
}

fn decode(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut ahead = bytes.clone();
                let digit = |c: Option<u8>| c.and_then(|c| char::from(c).to_digit(16));
                match (digit(ahead.next()), digit(ahead.next())) {
                    (Some(high), Some(low)) => {
                        bytes = ahead;
                        u8::try_from(high * 16 + low).unwrap_or(b'%')
                    }
                    _ => b'%',
                }
            }
            byte => byte,
        });
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests;
