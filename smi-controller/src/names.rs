//! Names of Services as users write them.

use isthmus_core::id::ObjectName;

/// Longest name looked at, in bytes: that of DNS.
const MAX_NAME: usize = 253;

/// `svc`, `svc.ns`, `svc.ns.svc` or `svc.ns.svc.<cluster domain>`, each with or without a trailing dot (smi.md §5 A13).
/// A bare name is in `namespace`. `None`: it isn't a name of a Service.
pub(crate) fn service(text: &str, namespace: &str, cluster_domain: &str) -> Option<ObjectName> {
    let text = text.to_ascii_lowercase();
    let text = text.strip_suffix('.').unwrap_or(&text);
    if !is_name(text) {
        return None;
    }
    let mut parts = text.splitn(4, '.');
    let name = parts.next()?;
    match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => Some(ObjectName::new(namespace, name)),
        (Some(namespace), None | Some("svc"), None) => Some(ObjectName::new(namespace, name)),
        (Some(namespace), Some("svc"), Some(domain)) if domain == cluster_domain => {
            Some(ObjectName::new(namespace, name))
        }
        _ => None,
    }
}

/// The name of an object of most kinds: DNS labels with dots between.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME && text.split('.').all(is_label)
}

/// One DNS label.
pub(crate) fn is_label(label: &str) -> bool {
    let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !label.is_empty() && label.len() <= 63 && label.bytes().all(ok) && !label.starts_with('-') && !label.ends_with('-')
}

#[cfg(test)]
mod tests;
