//! The built-in kinds' types, read from a table: what the typed JSON decoder, strategic merge and server-side apply have to
//! know of each field.
//!
//! One line per type and per field:
//! ```text
//! core.v1.ServiceSpec [atomic]
//!   ports []core.v1.ServicePort list=map(port,protocol) merge=port
//! ```
//! A field is its JSON name (`-` when inlined), type and flags. `*` marks a pointer, `[]` a list, `{}` a map with text keys;
//! `atomic` says that the value has one owner; `merge`, `merge=key` and `retainKeys` are the strategic merge patch's markers.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

/// A type of the table.
#[derive(Debug, Default)]
pub(crate) struct Message {
    /// The whole value has one owner in server-side apply.
    pub(crate) atomic: bool,
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug)]
pub(crate) struct Field {
    /// JSON name; empty when the fields of the message are inlined.
    pub(crate) json: String,
    pub(crate) shape: Shape,
    pub(crate) base: Base,
    /// The Go type has a pointer here: absent and empty differ.
    pub(crate) pointer: bool,
    pub(crate) atomic: bool,
    pub(crate) list: List,
    pub(crate) merge: bool,
    pub(crate) merge_key: Option<String>,
    pub(crate) retain_keys: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    One,
    List,
    Map,
}

/// How server-side apply sees a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum List {
    /// One owner for all of it.
    #[default]
    Atomic,
    /// Each value on its own.
    Set,
    /// Each item on its own, found by these fields.
    Map(Arc<[String]>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Base {
    String,
    Int32,
    Int64,
    Bool,
    Bytes,
    /// One byte, written as a number.
    Byte,
    Time,
    MicroTime,
    Quantity,
    IntOrString,
    /// JSON text inside protobuf; any JSON here.
    Raw,
    /// Any JSON; not offered over protobuf.
    Any,
    /// A list of strings that is a message of its own.
    Items,
    Message(String),
}

const TABLES: &[&str] = &[
    include_str!("types/meta.txt"),
    include_str!("types/core.txt"),
    include_str!("types/pod.txt"),
    include_str!("types/volumes.txt"),
    include_str!("types/auth.txt"),
    include_str!("types/rest.txt"),
    include_str!("types/workloads.txt"),
];

/// The type of this name (`core.v1.Pod`).
pub(crate) fn message(name: &str) -> Option<&'static Message> {
    static ALL: OnceLock<HashMap<&'static str, Message>> = OnceLock::new();
    ALL.get_or_init(|| TABLES.iter().flat_map(|table| parse(table)).collect()).get(name)
}

/// The type's name in this table of a kind: `("apps", "v1", "Deployment")` is `apps.v1.Deployment`.
pub(crate) fn type_name(group: &str, version: &str, kind: &str) -> String {
    let package = match group {
        "" => "core",
        "rbac.authorization.k8s.io" => "rbac",
        other => other.split('.').next().unwrap_or(other),
    };
    format!("{package}.{version}.{kind}")
}

fn parse(table: &'static str) -> Vec<(&'static str, Message)> {
    let mut all: Vec<(&'static str, Message)> = Vec::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else { continue };
        if !line.starts_with(' ') {
            let atomic = words.next() == Some("atomic");
            all.push((name, Message { atomic, fields: Vec::new() }));
        } else if let (Some((_, message)), Some(field)) = (all.last_mut(), field(name, &mut words)) {
            message.fields.push(field);
        }
    }
    all
}

fn field<'a>(name: &str, words: &mut impl Iterator<Item = &'a str>) -> Option<Field> {
    let text = words.next()?;
    let shape = match text {
        t if t.contains("[]") => Shape::List,
        t if t.contains("{}") => Shape::Map,
        _ => Shape::One,
    };
    let mut field = Field {
        json: if name == "-" { String::new() } else { name.to_owned() },
        shape,
        base: base(text.trim_start_matches(['*', '[', ']', '{', '}'])),
        pointer: text.contains('*'),
        atomic: false,
        list: List::Atomic,
        merge: false,
        merge_key: None,
        retain_keys: false,
    };
    for flag in words {
        match flag.split_once('=') {
            None if flag == "atomic" => field.atomic = true,
            None if flag == "merge" => field.merge = true,
            None if flag == "retainKeys" => field.retain_keys = true,
            Some(("merge", key)) => {
                field.merge = true;
                field.merge_key = Some(key.to_owned());
            }
            Some(("list", "set")) => field.list = List::Set,
            Some(("list", keys)) => {
                let keys = keys.trim_start_matches("map(").trim_end_matches(')');
                field.list = List::Map(keys.split(',').map(str::to_owned).collect());
            }
            _ => {}
        }
    }
    Some(field)
}

fn base(name: &str) -> Base {
    match name {
        "string" => Base::String,
        "int32" => Base::Int32,
        "int64" => Base::Int64,
        "bool" => Base::Bool,
        "bytes" => Base::Bytes,
        "byte" => Base::Byte,
        "time" => Base::Time,
        "microtime" => Base::MicroTime,
        "quantity" => Base::Quantity,
        "intstr" => Base::IntOrString,
        "raw" => Base::Raw,
        "any" => Base::Any,
        "items" => Base::Items,
        message => Base::Message(message.to_owned()),
    }
}

#[cfg(test)]
mod tests;
