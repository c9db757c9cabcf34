//! The paths of the metrics API.

use super::{Fault, Side};
use crate::views::kinds::Resource;

/// Where discovery is.
pub(super) const ROOT: &str = "/apis/metrics.smi-spec.io/v1alpha1";

/// Which namespaces are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    All,
    Namespace(String),
}

/// What every request says beside its path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    /// As Go writes it.
    pub(crate) window: String,
    /// Of lists.
    pub(crate) selector: Option<String>,
    /// Where it was measured, if that matters.
    pub(crate) side: Option<Side>,
}

pub(super) fn list(resource: &Resource, scope: &Scope, query: &Query) -> String {
    let folder = match scope {
        Scope::Namespace(namespace) if resource.namespaced => format!("/namespaces/{}", escape(namespace)),
        _ => String::new(),
    };
    let selector = query.selector.iter().map(|selector| ("labelSelector", selector.as_str()));
    format!("{ROOT}{folder}/{}{}", resource.plural, asked(selector, query))
}

pub(super) fn one(resource: &Resource, scope: &Scope, name: &str, query: &Query) -> Result<String, Fault> {
    Ok(item(resource, scope, name)? + &asked([], query))
}

pub(super) fn edges(resource: &Resource, scope: &Scope, name: &str, query: &Query) -> Result<String, Fault> {
    Ok(item(resource, scope, name)? + "/edges" + &asked([], query))
}

fn item(resource: &Resource, scope: &Scope, name: &str) -> Result<String, Fault> {
    let name = escape(name);
    match scope {
        _ if !resource.namespaced => Ok(format!("{ROOT}/{}/{name}", resource.plural)),
        Scope::Namespace(namespace) => {
            Ok(format!("{ROOT}/namespaces/{}/{}/{name}", escape(namespace), resource.plural))
        }
        Scope::All => Err(Fault::NoNamespace(resource.plural)),
    }
}

fn asked<'a>(more: impl IntoIterator<Item = (&'a str, &'a str)>, query: &'a Query) -> String {
    let window = (!query.window.is_empty()).then_some(("t", query.window.as_str()));
    let side = query.side.map(|side| match side {
        Side::Client => ("side", "client"),
        Side::Server => ("side", "server"),
    });
    let all = window.into_iter().chain(side).chain(more);
    let all: Vec<String> = all.map(|(key, value)| format!("{key}={}", escape(value))).collect();
    if all.is_empty() { String::new() } else { format!("?{}", all.join("&")) }
}

/// A name may not lead elsewhere: all but what is plain is percent-encoded, and a name of dots alone is none.
pub(crate) fn escape(text: &str) -> String {
    let dots = text.chars().all(|c| c == '.');
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') || (byte == b'.' && !dots);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::views::kinds::RESOURCES;

    fn resource(plural: &str) -> &'static Resource {
        RESOURCES.iter().find(|r| r.plural == plural).unwrap()
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        let (pods, namespaces) = (resource("pods"), resource("namespaces"));
        let shop = Scope::Namespace("shop".into());
        let query = Query { window: "1m0s".into(), ..Query::default() };
        assert_eq!(list(pods, &shop, &query), format!("{ROOT}/namespaces/shop/pods?t=1m0s"));
        assert_eq!(list(pods, &Scope::All, &query), format!("{ROOT}/pods?t=1m0s"));
        assert_eq!(list(namespaces, &shop, &query), format!("{ROOT}/namespaces?t=1m0s"));
        assert_eq!(one(namespaces, &Scope::All, "shop", &query).unwrap(), format!("{ROOT}/namespaces/shop?t=1m0s"));
        assert_eq!(
            edges(pods, &shop, "web-1", &Query { side: Some(Side::Client), ..query }).unwrap(),
            format!("{ROOT}/namespaces/shop/pods/web-1/edges?t=1m0s&side=client")
        );
        assert!(one(pods, &Scope::All, "web-1", &Query::default()).is_err());
    }

    #[test]
    fn a_selector_is_escaped_and_a_name_leads_nowhere_else() {
        let query = Query { selector: Some("app in (a,b)".into()), ..Query::default() };
        assert!(list(resource("pods"), &Scope::All, &query).ends_with("?labelSelector=app%20in%20%28a%2Cb%29"));
        let path = one(resource("pods"), &Scope::Namespace("..".into()), "../x?y#z", &Query::default()).unwrap();
        assert_eq!(path, format!("{ROOT}/namespaces/%2E%2E/pods/..%2Fx%3Fy%23z"));
    }
}
