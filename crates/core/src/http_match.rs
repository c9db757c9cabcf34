//! HTTPRouteGroup matches: path, methods and headers (specs.smi-spec.io, all versions).

use http::HeaderMap;
use regex::{Regex, RegexBuilder, bytes};
use serde::{Deserialize, Serialize};

use crate::broken::{self, Fault};

/// Longest regular expression taken, in bytes.
pub const MAX_REGEX_LENGTH: usize = 4096;
/// Most memory that one compiled expression may use, in bytes.
pub const MAX_REGEX_SIZE: usize = 1 << 20;
/// Most conditions on headers in one match.
pub const MAX_HEADERS: usize = 64;

/// One match as written: the parts are ANDed; an absent part matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct HttpMatchSpec {
    /// The entry's name in its group.
    pub name: String,
    /// Path expression, anchored at the beginning (smi.md §5 A1).
    pub path_regex: Option<String>,
    /// Method names, case-sensitive; `*` or an empty list is every method (§5 A21).
    pub methods: Vec<String>,
    /// Header name to value expression, unanchored (§5 A2). All must match.
    pub headers: Vec<(String, String)>,
    /// Expressions must match the whole path or value: the strict switch of §5 A1 and A2.
    pub full_match: bool,
}

/// Why a match can't be used. It then grants nothing (smi.md §5 A32).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMatch {
    /// An expression doesn't compile, or is beyond a limit.
    #[error("match {name:?}: {field} {value:?} is not a valid regular expression: {reason}")]
    Regex {
        /// Entry of the group.
        name: String,
        /// `pathRegex` or `headers[<name>]`.
        field: String,
        /// The expression.
        value: String,
        /// What the engine says.
        reason: String,
    },
    /// A header's name isn't a field name.
    #[error("match {name:?}: {header:?} is not a header name")]
    HeaderName {
        /// Entry of the group.
        name: String,
        /// The name given.
        header: String,
    },
    /// More conditions than [`MAX_HEADERS`].
    #[error("match {name:?}: {count} headers; at most {MAX_HEADERS} are allowed")]
    TooManyHeaders {
        /// Entry of the group.
        name: String,
        /// Conditions given.
        count: usize,
    },
}

/// What a match looks at. `path` carries no query; `authority` stands for the `host` header in HTTP/2.
#[derive(Debug, Clone, Copy)]
pub struct HttpRequest<'a> {
    /// Method, as sent.
    pub method: &'a str,
    /// Path without query.
    pub path: &'a str,
    /// `:authority`, or the `Host` header.
    pub authority: &'a str,
    /// The fields.
    pub headers: &'a HeaderMap,
}

/// A match that is ready to be used.
#[derive(Debug, Clone)]
pub struct HttpMatch {
    spec: HttpMatchSpec,
    path: Option<Regex>,
    headers: Vec<(http::HeaderName, bytes::Regex)>,
}

impl PartialEq for HttpMatch {
    fn eq(&self, other: &Self) -> bool {
        self.spec == other.spec
    }
}
impl Eq for HttpMatch {}

impl HttpMatch {
    /// Compiles a match.
    pub fn compile(spec: HttpMatchSpec) -> Result<Self, InvalidMatch> {
        if spec.headers.len() > MAX_HEADERS {
            return Err(InvalidMatch::TooManyHeaders { name: spec.name.clone(), count: spec.headers.len() });
        }
        let invalid = |field: String, value: &str, reason: String| InvalidMatch::Regex {
            name: spec.name.clone(),
            field,
            value: value.to_owned(),
            reason,
        };
        let path = match spec.path_regex.as_deref() {
            None => None,
            Some(text) => {
                let whole = spec.full_match || broken::is(Fault::PrefixAsExact);
                let begin = if broken::is(Fault::RegexUnanchored) { "" } else { "^" };
                let anchored = wrap(text, begin, if whole { "$" } else { "" })
                    .and_then(|whole| builder(&whole).build().map_err(reason_of));
                Some(anchored.map_err(|reason| invalid("pathRegex".into(), text, reason))?)
            }
        };
        let mut headers = Vec::with_capacity(spec.headers.len());
        for (name, text) in &spec.headers {
            let field = http::HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| InvalidMatch::HeaderName { name: spec.name.clone(), header: name.clone() })?;
            let (before, after) = if spec.full_match { ("^", "$") } else { ("", "") };
            let regex = wrap(text, before, after)
                .and_then(|whole| bytes_builder(&whole).build().map_err(reason_of))
                .map_err(|reason| invalid(format!("headers[{name}]"), text, reason))?;
            headers.push((field, regex));
        }
        Ok(Self { spec, path, headers })
    }

    /// The match as written.
    pub fn spec(&self) -> &HttpMatchSpec {
        &self.spec
    }

    /// Does the request satisfy every part?
    pub fn matches(&self, request: HttpRequest<'_>) -> bool {
        let methods = &self.spec.methods;
        let method = if broken::is(Fault::GetIsHead) && request.method == "HEAD" { "GET" } else { request.method };
        let mut headers = self.headers.iter().map(|(name, regex)| header_matches(name, regex, request));
        let by_header = match () {
            () if broken::is(Fault::HeadersIgnored) => true,
            () if broken::is(Fault::AnyHeader) => self.headers.is_empty() || headers.any(|matched| matched),
            () => headers.all(|matched| matched),
        };
        let same = |m: &str| m == method || (broken::is(Fault::MethodsAnyCase) && m.eq_ignore_ascii_case(method));
        (methods.is_empty() || broken::is(Fault::MethodsIgnored) || methods.iter().any(|m| m == "*" || same(m)))
            && self.path.as_ref().is_none_or(|regex| regex.is_match(request.path))
            && by_header
    }
}

/// Several fields of one name are one value, joined as RFC 9110 §5.3 and RFC 6265 §5.4 (cookie) say: so a second
/// field can't hide behind, or add to, one that an anchored expression has matched.
fn header_matches(name: &http::HeaderName, regex: &bytes::Regex, request: HttpRequest<'_>) -> bool {
    if name == http::header::HOST {
        return !request.authority.is_empty() && regex.is_match(request.authority.as_bytes());
    }
    let mut values = request.headers.get_all(name).iter();
    let Some(first) = values.next() else { return false };
    if values.next().is_none() {
        return regex.is_match(first.as_bytes());
    }
    let separator: &[u8] = if name == http::header::COOKIE { b"; " } else { b", " };
    let all: Vec<&[u8]> = request.headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
    regex.is_match(&all.join(separator))
}

/// The expression must be whole in itself: `a)|(b` would otherwise slip out of the anchored group.
fn wrap(text: &str, before: &str, after: &str) -> Result<String, String> {
    if text.len() > MAX_REGEX_LENGTH {
        return Err(format!("it has {} bytes; at most {MAX_REGEX_LENGTH} are allowed", text.len()));
    }
    builder(text).build().map_err(reason_of)?;
    Ok(format!("{before}(?:{text}){after}"))
}

fn builder(text: &str) -> RegexBuilder {
    let mut builder = RegexBuilder::new(text);
    builder.size_limit(MAX_REGEX_SIZE).dfa_size_limit(MAX_REGEX_SIZE);
    builder
}

fn bytes_builder(text: &str) -> bytes::RegexBuilder {
    let mut builder = bytes::RegexBuilder::new(text);
    builder.size_limit(MAX_REGEX_SIZE).dfa_size_limit(MAX_REGEX_SIZE);
    builder
}

fn reason_of(error: regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => format!("compiled it takes more than {limit} bytes"),
        other => other.to_string().lines().last().unwrap_or_default().trim().to_owned(),
    }
}

#[cfg(test)]
mod tests;
