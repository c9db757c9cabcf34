//! What is asked for, read from path, query and headers.

use std::time::Duration;

use http::{HeaderMap, Method, Uri, header::ACCEPT};
use isthmus_core::broken::{self, Fault};

use super::{kind::Kind, status::Failure, window};

/// Where the API is.
pub(crate) const GROUP: &str = "metrics.smi-spec.io";
pub(crate) const VERSION: &str = "v1alpha1";
/// Most bytes of a query.
const MAX_QUERY: usize = 8192;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// `/apis`, as the API server's discovery asks.
    Groups,
    /// `/apis/metrics.smi-spec.io`.
    Group,
    /// `/apis/metrics.smi-spec.io/v1alpha1`.
    Resources,
    /// Somebody's traffic.
    Traffic(Ask),
}

/// Whose traffic, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) kind: Kind,
    /// `None`: of all namespaces, or the kind has none.
    pub(crate) namespace: Option<String>,
    /// `None`: a list.
    pub(crate) name: Option<String>,
    pub(crate) edges: bool,
    pub(crate) window: Duration,
    pub(crate) side: Option<Side>,
    /// Of a list: the objects that it is of.
    pub(crate) selector: Option<String>,
    pub(crate) only: Option<String>,
    /// Which of several sources.
    pub(crate) source: Option<String>,
    /// What a row of a table holds of its object.
    pub(crate) include: Include,
    /// As it was asked: it stands in `selfLink`.
    pub(crate) path: String,
}

/// At which end it is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Side {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// What a row of a table holds of its object, as Kubernetes' `includeObject` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Include {
    None,
    #[default]
    Metadata,
    /// All of it: what `kubectl get --sort-by` sorts by.
    Object,
}

/// In what shape the answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Object,
    Table,
    /// Aggregated discovery, of this version of it.
    Discovery(&'static str),
}

/// Reads the path and the query.
pub(crate) fn read(method: &Method, uri: &Uri) -> Result<Request, Failure> {
    let path = uri.path().trim_end_matches('/');
    let segments: Vec<String> =
        path.split('/').skip(1).map(decode).collect::<Option<_>>().ok_or_else(|| nothing(path))?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (kind, namespace, name, edges) = match &*segments {
        ["apis"] => return only_read(method, Request::Groups),
        ["apis", GROUP] => return only_read(method, Request::Group),
        ["apis", GROUP, VERSION] => return only_read(method, Request::Resources),
        ["apis", GROUP, VERSION, rest @ ..] => match rest {
            [plural] => (kind(plural)?, None, None, false),
            // Whose second part is a resource's name is of a namespace; `edges` is none.
            ["namespaces", name] => (Kind::Namespace, None, Some(*name), false),
            ["namespaces", name, "edges"] => (Kind::Namespace, None, Some(*name), true),
            ["namespaces", namespace, plural] => (namespaced(plural)?, Some(*namespace), None, false),
            ["namespaces", namespace, plural, name] => (namespaced(plural)?, Some(*namespace), Some(*name), false),
            ["namespaces", namespace, plural, name, "edges"] => {
                (namespaced(plural)?, Some(*namespace), Some(*name), true)
            }
            [plural, name] => (of_no_namespace(plural)?, None, Some(*name), false),
            [plural, name, "edges"] => (of_no_namespace(plural)?, None, Some(*name), true),
            _ => return Err(nothing(path)),
        },
        _ => return Err(nothing(path)),
    };
    for part in namespace.iter().chain(&name) {
        if part.is_empty() || part.len() > 253 || part.contains('/') {
            return Err(nothing(path));
        }
    }
    let mut ask = Ask {
        kind,
        namespace: namespace.map(str::to_owned),
        name: name.map(str::to_owned),
        edges,
        window: window::DEFAULT,
        side: None,
        selector: None,
        only: None,
        source: None,
        include: Include::default(),
        path: path.to_owned(),
    };
    query(&mut ask, uri.query().unwrap_or_default())?;
    only_read(method, Request::Traffic(ask))
}

fn only_read(method: &Method, request: Request) -> Result<Request, Failure> {
    if matches!(*method, Method::GET | Method::HEAD) { Ok(request) } else { Err(Failure::method()) }
}

fn nothing(path: &str) -> Failure {
    Failure::not_found(format!("nothing is served at {path:?}: see /apis/{GROUP}/{VERSION}"))
}

fn kind(plural: &str) -> Result<Kind, Failure> {
    Kind::of_plural(plural).ok_or_else(|| {
        let all: Vec<_> = Kind::ALL.into_iter().map(Kind::plural).collect();
        Failure::not_found(format!("{plural:?} has no TrafficMetrics: there are {}", all.join(", ")))
    })
}

fn namespaced(plural: &str) -> Result<Kind, Failure> {
    let kind = kind(plural)?;
    if kind.is_namespaced() { Ok(kind) } else { Err(Failure::not_found(format!("{plural} are in no namespace"))) }
}

fn of_no_namespace(plural: &str) -> Result<Kind, Failure> {
    let kind = kind(plural)?;
    if kind.is_namespaced() {
        return Err(Failure::not_found(format!(
            "{plural} are in a namespace: ask for namespaces/<namespace>/{plural}/<name>"
        )));
    }
    Ok(kind)
}

fn query(ask: &mut Ask, query: &str) -> Result<(), Failure> {
    if query.len() > MAX_QUERY {
        return Err(Failure::bad_request(format!("the query is longer than {MAX_QUERY} bytes")));
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let unreadable = || Failure::bad_request(format!("{key}: not UTF-8"));
        let value = decode(&value.replace('+', " ")).ok_or_else(unreadable)?;
        match key {
            "t" if broken::is(Fault::MetricsWindowIgnored) => {}
            "labelSelector" if broken::is(Fault::MetricsSelectorIgnored) => {}
            "t" => ask.window = window::read(&value).map_err(Failure::bad_request)?,
            "side" => {
                ask.side = Some(match &*value {
                    "client" => Side::Client,
                    "server" => Side::Server,
                    _ => return Err(Failure::bad_request(format!("side: {value:?} must be client or server"))),
                });
            }
            "labelSelector" if !value.is_empty() => ask.selector = Some(value),
            "fieldSelector" if !value.is_empty() => field_selector(ask, &value)?,
            "source" => ask.source = Some(value),
            "includeObject" => {
                ask.include = match &*value {
                    "None" => Include::None,
                    "" | "Metadata" => Include::Metadata,
                    "Object" => Include::Object,
                    _ => {
                        let what = format!("includeObject: {value:?} must be None, Metadata or Object");
                        return Err(Failure::bad_request(what));
                    }
                };
            }
            "watch" if !matches!(&*value, "" | "0" | "false") => return Err(Failure::method()),
            // Answers are given whole, whatever `limit` says; the rest doesn't matter to them.
            _ => {}
        }
    }
    let split_at_server = ask.kind == Kind::TrafficSplit && ask.side == Some(Side::Server);
    if split_at_server {
        return Err(Failure::bad_request(
            "side: a split is decided by clients, so servers can't tell: leave it out, or ask for client",
        ));
    }
    Ok(())
}

/// Only `metadata.name` narrows a list.
fn field_selector(ask: &mut Ask, text: &str) -> Result<(), Failure> {
    let value = text.strip_prefix("metadata.name=").map(|value| value.strip_prefix('=').unwrap_or(value));
    let value = value.filter(|value| !value.is_empty() && !value.contains(['=', ',']));
    let unsupported =
        || Failure::bad_request(format!("fieldSelector: {text:?} isn't supported: only metadata.name=… is"));
    ask.only = Some(value.ok_or_else(unsupported)?.to_owned());
    Ok(())
}

/// What the client takes: the first that can be given. `None`: nothing of it.
pub(crate) fn form(headers: &HeaderMap) -> Result<Form, Failure> {
    let accepted: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let accepted = accepted.join(",");
    if accepted.trim().is_empty() {
        return Ok(Form::Object);
    }
    accepted.split(',').find_map(one_form).ok_or_else(Failure::not_acceptable)
}

fn one_form(range: &str) -> Option<Form> {
    let mut parts = range.split(';').map(str::trim);
    if !matches!(parts.next()?, "application/json" | "application/*" | "*/*") {
        return None;
    }
    let parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
    let of = |key: &str| parameters.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    match (of("as"), of("g"), of("v")) {
        (None, ..) => Some(Form::Object),
        (Some("Table"), Some("meta.k8s.io"), Some("v1")) => Some(Form::Table),
        (Some("APIGroupDiscoveryList"), Some("apidiscovery.k8s.io"), Some("v2")) => Some(Form::Discovery("v2")),
        (Some("APIGroupDiscoveryList"), Some("apidiscovery.k8s.io"), Some("v2beta1")) => {
            Some(Form::Discovery("v2beta1"))
        }
        _ => None,
    }
}

/// Percent-decodes. `None`: it makes no text.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
