//! Reading manifests: several documents a file, and the lists that `kubectl get -o yaml` prints.

use serde_json::Value;

/// Most bytes of one file.
pub const MAX_BYTES: usize = 16 << 20;
/// Most objects of one file.
pub const MAX_DOCUMENTS: usize = 10_000;
/// Lists in lists: more than anybody writes.
const MAX_LISTS: u8 = 4;

/// One object, and where it stood.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The file's name, and which of its documents: `mesh.yaml#2`.
    pub source: String,
    /// The object: a map that has `apiVersion` and `kind`.
    pub value: Value,
}

/// A file can't be read as Kubernetes objects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInput {
    /// It is too long.
    #[error("{file}: {bytes} bytes; at most {MAX_BYTES} are read. Split it")]
    TooLong {
        /// Its name.
        file: String,
        /// Its length.
        bytes: usize,
    },
    /// It holds too many objects.
    #[error("{file}: more than {MAX_DOCUMENTS} objects. Split it")]
    TooMany {
        /// Its name.
        file: String,
    },
    /// It isn't YAML.
    #[error("{file}: not YAML, nor JSON: {reason}")]
    NotYaml {
        /// Its name.
        file: String,
        /// What the parser says.
        reason: String,
    },
    /// A document is no object.
    #[error("{source_}: not a Kubernetes object: it has no {missing}")]
    NotAnObject {
        /// Which document.
        source_: String,
        /// The field that isn't there, or isn't text.
        missing: &'static str,
    },
}

/// Reads a file's objects; empty documents are passed over, lists are opened.
pub fn read(file: &str, text: &str) -> Result<Vec<Document>, InvalidInput> {
    if text.len() > MAX_BYTES {
        return Err(InvalidInput::TooLong { file: file.to_owned(), bytes: text.len() });
    }
    let not_yaml = |error: serde_saphyr::Error| InvalidInput::NotYaml {
        file: file.to_owned(),
        reason: error.without_snippet().to_string(),
    };
    // `y` and `n` are names to kubectl, not truths.
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    let values: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options).map_err(not_yaml)?;
    let mut documents = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        open(&mut documents, &format!("{file}#{}", index + 1), value, MAX_LISTS)?;
        if documents.len() > MAX_DOCUMENTS {
            return Err(InvalidInput::TooMany { file: file.to_owned() });
        }
    }
    Ok(documents)
}

fn open(documents: &mut Vec<Document>, source: &str, mut value: Value, lists: u8) -> Result<(), InvalidInput> {
    if value.is_null() {
        return Ok(());
    }
    let text = |key: &'static str| value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let missing = |missing| InvalidInput::NotAnObject { source_: source.to_owned(), missing };
    text("apiVersion").ok_or_else(|| missing("apiVersion"))?;
    let kind = text("kind").ok_or_else(|| missing("kind"))?;
    if kind.ends_with("List") && lists > 0 && value.get("items").is_some_and(Value::is_array) {
        let items = value.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
        return items.into_iter().try_for_each(|item| open(documents, source, item, lists - 1));
    }
    documents.push(Document { source: source.to_owned(), value });
    Ok(())
}

impl Document {
    fn text(&self, pointer: &str) -> Option<&str> {
        self.value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// The API group; empty for the core one.
    pub fn group(&self) -> &str {
        self.text("/apiVersion").and_then(|text| text.split_once('/')).map_or("", |(group, _)| group)
    }

    /// The API version, without the group.
    pub fn version(&self) -> &str {
        let text = self.text("/apiVersion").unwrap_or_default();
        text.split_once('/').map_or(text, |(_, version)| version)
    }

    /// The kind.
    pub fn kind(&self) -> &str {
        self.text("/kind").unwrap_or_default()
    }

    /// The object's name.
    pub fn name(&self) -> Option<&str> {
        self.text("/metadata/name")
    }

    /// The namespace that it says it is in. Without one it goes where its applier is.
    pub fn namespace(&self) -> Option<&str> {
        self.text("/metadata/namespace")
    }

    /// `Kind namespace/name`, for people.
    pub fn title(&self) -> String {
        title(&self.value)
    }
}

/// `Kind namespace/name` of any object.
pub(crate) fn title(object: &Value) -> String {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).filter(|text: &&str| !text.is_empty());
    let (kind, name) = (text("/kind").unwrap_or("object"), text("/metadata/name").unwrap_or("(no name)"));
    match text("/metadata/namespace") {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

#[cfg(test)]
mod tests;
