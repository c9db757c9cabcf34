//! Schemas of the built-in types, from the table.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use serde_json::Value;

use super::node::{Additional, Node, Text, Type};
use crate::types::{self, Base, Field, List, Message, Shape};

/// The schema of an object of this type: its fields, and `apiVersion` and `kind`.
pub(super) fn root(name: &str) -> Option<Arc<Node>> {
    let node = of_message(name, types::message(name)?);
    Some(Arc::new(with_object_fields((*node).clone())))
}

/// Adds `apiVersion`, `kind` and, as far as the schema doesn't restrict it, `metadata`.
pub(super) fn with_object_fields(mut node: Node) -> Node {
    let text = Arc::new(Node { ty: Some(Type::String), ..Node::default() });
    node.properties.entry("apiVersion".to_owned()).or_insert_with(|| Arc::clone(&text));
    node.properties.entry("kind".to_owned()).or_insert(text);
    if let Some(meta) = types::message("meta.v1.ObjectMeta") {
        let full = of_message("meta.v1.ObjectMeta", meta);
        let own = node.properties.remove("metadata");
        let full = match own {
            // A CRD may narrow name and generateName.
            Some(own) => {
                let mut full = (*full).clone();
                for key in ["name", "generateName"] {
                    if let Some(field) = own.properties.get(key) {
                        full.properties.insert(key.to_owned(), Arc::clone(field));
                    }
                }
                Arc::new(full)
            }
            None => full,
        };
        node.properties.insert("metadata".to_owned(), full);
    }
    node
}

/// Types are shared: a Pod's spec is built once for Pods, Deployments and ReplicaSets.
fn of_message(name: &str, message: &'static Message) -> Arc<Node> {
    static DONE: OnceLock<Mutex<HashMap<String, Arc<Node>>>> = OnceLock::new();
    let done = DONE.get_or_init(Mutex::default);
    if let Some(node) = done.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
        return Arc::clone(node);
    }
    let mut node = Node { ty: Some(Type::Object), atomic: message.atomic, ..Node::default() };
    fields(name, message, &mut node.properties);
    let node = Arc::new(node);
    done.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), Arc::clone(&node));
    node
}

fn fields(owner: &str, message: &'static Message, into: &mut BTreeMap<String, Arc<Node>>) {
    for field in &message.fields {
        if field.json.is_empty() {
            if let Base::Message(inner) = &field.base
                && let Some(inner_message) = types::message(inner)
            {
                fields(inner, inner_message, into);
            }
        } else {
            into.insert(field.json.clone(), Arc::new(of_field(owner, field)));
        }
    }
}

fn of_field(owner: &str, field: &Field) -> Node {
    let mut one = of_base(&field.base);
    // Merge keys that a client may leave out.
    if field.json == "protocol" && matches!(owner, "core.v1.ContainerPort" | "core.v1.ServicePort") {
        one.default = Some(Value::from("TCP"));
    }
    let mut node = match field.shape {
        Shape::One => one,
        Shape::List => {
            Node { ty: Some(Type::Array), items: Some(Arc::new(one)), list: field.list.clone(), ..Node::default() }
        }
        Shape::Map => Node { ty: Some(Type::Object), additional: Additional::Of(Arc::new(one)), ..Node::default() },
    };
    node.always = field.shape == Shape::One && !field.pointer && matches!(field.base, Base::Message(_));
    node.atomic |= field.atomic;
    node.merge = field.merge;
    node.merge_key.clone_from(&field.merge_key);
    node
}

fn of_base(base: &Base) -> Node {
    let of = |ty| Node { ty: Some(ty), ..Node::default() };
    match base {
        Base::String => of(Type::String),
        Base::Int32 | Base::Byte => Node { int32: true, ..of(Type::Integer) },
        Base::Int64 => of(Type::Integer),
        Base::Bool => of(Type::Boolean),
        Base::Bytes => Node { text: Text::Base64, ..of(Type::String) },
        Base::Time | Base::MicroTime => Node { text: Text::Time, ..of(Type::String) },
        Base::Quantity => Node { quantity: true, int_or_string: true, ..Node::default() },
        Base::IntOrString => Node { int_or_string: true, ..Node::default() },
        Base::Raw | Base::Any => Node { preserve: true, ..Node::default() },
        Base::Items => Node { items: Some(Arc::new(of(Type::String))), list: List::Atomic, ..of(Type::Array) },
        Base::Message(name) => match types::message(name) {
            Some(message) => (*of_message(name, message)).clone(),
            None => Node { preserve: true, ..Node::default() },
        },
    }
}
