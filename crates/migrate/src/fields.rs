//! A map that is taken apart field by field, so that what nobody has taken is known in the end.

use serde_json::{Map, Value};

/// Why something has no translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blame {
    pub(crate) field: String,
    pub(crate) why: String,
    pub(crate) remedy: String,
}

impl Blame {
    pub(crate) fn new(field: impl Into<String>, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { field: field.into(), why: why.into(), remedy: remedy.into() }
    }
}

/// A map, and its place in the object.
#[derive(Debug)]
pub(crate) struct Fields {
    path: String,
    map: Map<String, Value>,
}

impl Fields {
    pub(crate) fn of(path: impl Into<String>, value: Value) -> Result<Self, Blame> {
        let path = path.into();
        match value {
            Value::Object(map) => Ok(Self { path, map }),
            other => Err(wrong(path, "a map", &other)),
        }
    }

    /// A field's path.
    pub(crate) fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Takes a field; `null` is as good as absent.
    pub(crate) fn take(&mut self, key: &str) -> Option<Value> {
        self.map.remove(key).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&mut self, key: &str) -> Result<Option<String>, Blame> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(self.at(key), "text", &other)),
        }
    }

    /// Text that must be there.
    pub(crate) fn needed(&mut self, key: &str) -> Result<String, Blame> {
        let found = self.text(key)?.filter(|text| !text.is_empty());
        found.ok_or_else(|| Blame::new(self.at(key), "it is missing", "write it"))
    }

    /// A list; empty when absent.
    pub(crate) fn list(&mut self, key: &str) -> Result<Vec<Value>, Blame> {
        match self.take(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list),
            Some(other) => Err(wrong(self.at(key), "a list", &other)),
        }
    }

    /// A list of maps, each with its place.
    pub(crate) fn maps(&mut self, key: &str) -> Result<Vec<Fields>, Blame> {
        let at = self.at(key);
        let each = |(index, value)| Fields::of(format!("{at}[{index}]"), value);
        self.list(key)?.into_iter().enumerate().map(each).collect()
    }

    /// A list of texts; `None` when absent.
    pub(crate) fn texts(&mut self, key: &str) -> Result<Option<Vec<String>>, Blame> {
        let at = self.at(key);
        let Some(list) = self.take(key) else { return Ok(None) };
        let Value::Array(list) = list else { return Err(wrong(at, "a list", &list)) };
        let text = |value: Value| match value {
            Value::String(text) => Ok(text),
            other => Err(wrong(at.clone(), "a list of texts", &other)),
        };
        list.into_iter().map(text).collect::<Result<_, _>>().map(Some)
    }

    /// A map; empty when absent.
    pub(crate) fn map(&mut self, key: &str) -> Result<Fields, Blame> {
        let at = self.at(key);
        Fields::of(at, self.take(key).unwrap_or_else(|| Value::Object(Map::new())))
    }

    /// A whole number from 1 to 65535.
    pub(crate) fn port(&mut self, key: &str) -> Result<Option<u16>, Blame> {
        let Some(value) = self.take(key) else { return Ok(None) };
        // The first SMI had ports as text.
        let number = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        let port = number.and_then(|number| u16::try_from(number).ok()).filter(|port| *port > 0);
        port.map(Some).ok_or_else(|| wrong(self.at(key), "a port from 1 to 65535", &value))
    }

    /// What nobody has taken.
    pub(crate) fn rest(&self) -> Vec<String> {
        let filled = self.map.iter().filter(|(_, value)| !is_empty(value));
        filled.map(|(key, _)| self.at(key)).collect()
    }

    /// Everything must have been taken: an unknown field may be one that narrows.
    pub(crate) fn end(self) -> Result<(), Blame> {
        match self.rest().into_iter().next() {
            None => Ok(()),
            Some(field) => Err(Blame::new(
                field,
                "this field isn't known, and the object may mean something else without it",
                "remove the field if it has no meaning, and translate again",
            )),
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn wrong(field: String, expected: &str, found: &Value) -> Blame {
    let found: String = found.to_string().chars().take(60).collect();
    Blame::new(field, format!("{expected} is expected, not {found}"), "correct it, and translate again")
}

/// The object without what the API server has written into it, and its body's fields beside it.
pub(crate) fn body(value: &Value) -> Result<Fields, Blame> {
    let mut fields = Fields::of("", value.clone())?;
    for key in ["apiVersion", "kind", "metadata", "status"] {
        fields.take(key);
    }
    Ok(fields)
}
