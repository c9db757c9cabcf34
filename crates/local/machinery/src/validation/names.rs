//! The forms of names. Each function gives `None` when the text fits, else kube-apiserver's sentence on the rule.

const LABEL_LIMIT: usize = 63;
const SUBDOMAIN_LIMIT: usize = 253;

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const PORT_NAME: &str = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-), with at least one letter, no two hyphens in a row and none at an end";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const ENV_NAME: &str =
    "a valid environment variable name must consist only of printable ASCII characters other than '='";

fn too_long(limit: usize) -> String {
    format!("must be no more than {limit} bytes")
}

fn ends_fit(text: &str, end: fn(char) -> bool) -> bool {
    text.starts_with(end) && text.ends_with(end)
}

fn lower(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn is_label(text: &str) -> bool {
    ends_fit(text, lower) && text.chars().all(|c| lower(c) || c == '-')
}

/// RFC 1123 label: Namespaces, containers.
#[must_use]
pub fn label(text: &str) -> Option<String> {
    match text {
        t if t.len() > LABEL_LIMIT => Some(too_long(LABEL_LIMIT)),
        t if !is_label(t) => Some(LABEL.to_owned()),
        _ => None,
    }
}

/// RFC 1035 label: Services.
#[must_use]
pub fn label_1035(text: &str) -> Option<String> {
    match text {
        t if t.len() > LABEL_LIMIT => Some(too_long(LABEL_LIMIT)),
        t if !is_label(t) || !t.starts_with(|c: char| c.is_ascii_lowercase()) => Some(LABEL_1035.to_owned()),
        _ => None,
    }
}

/// RFC 1123 subdomain: most objects.
#[must_use]
pub fn subdomain(text: &str) -> Option<String> {
    match text {
        t if t.len() > SUBDOMAIN_LIMIT => Some(too_long(SUBDOMAIN_LIMIT)),
        t if !t.split('.').all(is_label) => Some(SUBDOMAIN.to_owned()),
        _ => None,
    }
}

/// What may stand in a path: roles.
#[must_use]
pub fn path_segment(text: &str) -> Option<String> {
    match text {
        "." | ".." => Some(format!("may not be '{text}'")),
        t => t.chars().find(|c| matches!(c, '/' | '%')).map(|c| format!("may not contain '{c}'")),
    }
}

/// A label's or annotation's key: `[prefix/]name`.
#[must_use]
pub fn qualified_name(text: &str) -> Option<String> {
    let name = match text.split_once('/') {
        None => text,
        Some(("", _)) => return Some("prefix part must be non-empty".to_owned()),
        Some((_, name)) if name.contains('/') => {
            return Some("a qualified name must consist of alphanumeric characters, '-', '_' or '.', with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')".to_owned());
        }
        Some((prefix, name)) => match subdomain(prefix) {
            Some(why) => return Some(format!("prefix part {why}")),
            None => name,
        },
    };
    if name.is_empty() {
        return Some("name part must be non-empty".to_owned());
    }
    if name.len() > LABEL_LIMIT {
        return Some(format!("name part {}", too_long(LABEL_LIMIT)));
    }
    (!word(name)).then(|| QUALIFIED.to_owned())
}

fn word(text: &str) -> bool {
    ends_fit(text, |c| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// A label's value.
#[must_use]
pub fn label_value(text: &str) -> Option<String> {
    match text {
        "" => None,
        t if t.len() > LABEL_LIMIT => Some(too_long(LABEL_LIMIT)),
        t if !word(t) => Some(VALUE.to_owned()),
        _ => None,
    }
}

/// IANA service name: the name of a container's port.
#[must_use]
pub fn port_name(text: &str) -> Option<String> {
    match text {
        t if t.len() > 15 => Some("must be no more than 15 characters".to_owned()),
        t if !is_label(t) || t.contains("--") || !t.contains(|c: char| c.is_ascii_lowercase()) => {
            Some(PORT_NAME.to_owned())
        }
        _ => None,
    }
}

/// A key of a ConfigMap or Secret.
#[must_use]
pub fn config_key(text: &str) -> Option<String> {
    match text {
        t if t.len() > SUBDOMAIN_LIMIT => Some(too_long(SUBDOMAIN_LIMIT)),
        "" | "." | ".." => Some(CONFIG_KEY.to_owned()),
        t if !t.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) => {
            Some(CONFIG_KEY.to_owned())
        }
        _ => None,
    }
}

/// An environment variable's name.
#[must_use]
pub fn env_name(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.chars().all(|c| matches!(c, ' '..='~') && c != '=');
    (!fits).then(|| ENV_NAME.to_owned())
}
