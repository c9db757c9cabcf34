//! The table of messages (`messages.txt`), read once.

use std::{collections::HashMap, sync::OnceLock};

/// One field of a message.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    /// Name in JSON; empty when the field's own fields stand in the parent.
    pub(super) name: String,
    pub(super) shape: Shape,
}

/// What a field holds.
#[derive(Debug)]
pub(super) enum Shape {
    Text,
    Integer,
    Bool,
    Double,
    Bytes,
    /// A scalar whose zero counts.
    Optional(Box<Shape>),
    List(Box<Shape>),
    Map(Box<Shape>),
    Message(String),
    /// A message `{1: repeated string}` that JSON writes as the list.
    Items,
    Time,
    MicroTime,
    Duration,
    Quantity,
    IntOrString,
    /// A message `{1: bytes}` that holds JSON.
    Json,
}

/// The fields of a message.
pub(super) fn message(name: &str) -> Option<&'static [Field]> {
    static TABLE: OnceLock<HashMap<&'static str, Vec<Field>>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let lines = include_str!("messages.txt").lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| line.split_once(' ').or(Some((line, ""))))
            .map(|(name, rest)| (name, fields(rest)))
            .collect()
    });
    table.get(name).map(Vec::as_slice)
}

fn fields(text: &str) -> Vec<Field> {
    text.split_whitespace().filter_map(field).collect()
}

fn field(text: &str) -> Option<Field> {
    let mut parts = text.splitn(3, ':');
    let (number, name, shape) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Field { number: number.parse().ok()?, name: name.to_owned(), shape: shape_of(shape) })
}

fn shape_of(text: &str) -> Shape {
    match text {
        "s" => Shape::Text,
        "i" => Shape::Integer,
        "b" => Shape::Bool,
        "d" => Shape::Double,
        "y" => Shape::Bytes,
        "items" => Shape::Items,
        "time" => Shape::Time,
        "microtime" => Shape::MicroTime,
        "duration" => Shape::Duration,
        "quantity" => Shape::Quantity,
        "intorstring" => Shape::IntOrString,
        "raw" | "raw1" => Shape::Json,
        other => match (other.strip_prefix('?'), other.strip_prefix('['), other.strip_prefix('{')) {
            (Some(inner), ..) => Shape::Optional(Box::new(shape_of(inner))),
            (_, Some(inner), _) => Shape::List(Box::new(shape_of(inner))),
            (_, _, Some(inner)) => Shape::Map(Box::new(shape_of(inner))),
            _ => Shape::Message(other.to_owned()),
        },
    }
}
