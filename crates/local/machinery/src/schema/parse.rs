//! From `openAPIV3Schema` to nodes, with the rules of structural schemas.

use std::{collections::BTreeMap, sync::Arc};

use regex::RegexBuilder;
use serde_json::{Map, Value};

use super::checks::Checks;
use super::node::{Additional, Node, Type};
use super::validate;
use crate::{status::Cause, types::List};

/// Deeper schemas are refused; Kubernetes has no such limit of its own, but bounds the object's size.
const DEPTH_LIMIT: usize = 64;
/// Compiled size of one pattern, in bytes.
const REGEX_LIMIT: usize = 1 << 20;

struct Parser {
    causes: Vec<Cause>,
    warnings: Vec<String>,
}

pub(super) fn root(openapi: &Value) -> Result<(Node, Vec<String>), Vec<Cause>> {
    let mut parser = Parser { causes: Vec::new(), warnings: Vec::new() };
    let node = parser.node(openapi, "", 0);
    if node.ty != Some(Type::Object) {
        parser.causes.push(Cause::invalid(
            "type",
            &openapi.get("type").cloned().unwrap_or("".into()),
            "must be object at the root",
        ));
    }
    if parser.causes.is_empty() { Ok((node, parser.warnings)) } else { Err(parser.causes) }
}

fn at(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

impl Parser {
    fn node(&mut self, schema: &Value, path: &str, depth: usize) -> Node {
        let mut node = Node::default();
        let Some(map) = schema.as_object() else {
            self.causes.push(Cause::type_invalid(path, schema, "must be an object"));
            return node;
        };
        if depth > DEPTH_LIMIT {
            self.causes.push(Cause::forbidden(path, "schema is nested too deep"));
            return node;
        }
        if map.contains_key("$ref") {
            self.causes.push(Cause::forbidden(at(path, "$ref"), "must be empty to be structural"));
        }
        self.structure(&mut node, map, path);
        if let Some(properties) = map.get("properties").and_then(Value::as_object) {
            for (name, inner) in properties {
                let below = format!("{}[{name}]", at(path, "properties"));
                node.properties.insert(name.clone(), Arc::new(self.node(inner, &below, depth + 1)));
            }
        }
        match map.get("additionalProperties") {
            Some(Value::Bool(true)) => node.additional = Additional::Any,
            Some(inner @ Value::Object(_)) => {
                let below = at(path, "additionalProperties");
                node.additional = Additional::Of(Arc::new(self.node(inner, &below, depth + 1)));
            }
            _ => {}
        }
        if !matches!(node.additional, Additional::None) && !node.properties.is_empty() {
            let why = "additionalProperties and properties are mutual exclusive";
            self.causes.push(Cause::forbidden(at(path, "additionalProperties"), why));
        }
        match map.get("items") {
            Some(inner) => node.items = Some(Arc::new(self.node(inner, &at(path, "items"), depth + 1))),
            None if node.ty == Some(Type::Array) => {
                self.causes.push(Cause::required(at(path, "items"), "must be specified"));
            }
            None => {}
        }
        node.checks = self.checks(map, path, depth);
        self.list_type(&mut node, map, path);
        self.complete(&node, map, path, depth);
        self.default_of(&mut node, map, path);
        node
    }

    fn structure(&mut self, node: &mut Node, map: &Map<String, Value>, path: &str) {
        let flag = |name: &str| map.get(name).and_then(Value::as_bool).unwrap_or(false);
        node.nullable = flag("nullable");
        node.preserve = flag("x-kubernetes-preserve-unknown-fields");
        node.int_or_string = flag("x-kubernetes-int-or-string");
        node.embedded = flag("x-kubernetes-embedded-resource");
        node.atomic = map.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic");
        match map.get("type").and_then(Value::as_str) {
            None | Some("") => {}
            Some(name) => {
                node.ty = Type::parse(name);
                if node.ty.is_none() {
                    let known = ["array", "boolean", "integer", "number", "object", "string"];
                    self.causes.push(Cause::not_supported(at(path, "type"), &Value::from(name), &known));
                }
            }
        }
        if flag("uniqueItems") {
            let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
            self.causes.push(Cause::forbidden(at(path, "uniqueItems"), why));
        }
        if map.get("x-kubernetes-validations").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty()) {
            let place = if path.is_empty() { "the root" } else { path };
            self.warnings
                .push(format!("x-kubernetes-validations at {place}: CEL rules are not evaluated by this server"));
        }
    }

    fn list_type(&mut self, node: &mut Node, map: &Map<String, Value>, path: &str) {
        let field = at(path, "x-kubernetes-list-type");
        match map.get("x-kubernetes-list-type").and_then(Value::as_str) {
            None | Some("atomic") => {}
            Some("set") => node.list = List::Set,
            Some("map") => {
                let keys = texts(map.get("x-kubernetes-list-map-keys"));
                if keys.is_empty() {
                    let why = "must not be empty if x-kubernetes-list-type is map";
                    self.causes.push(Cause::required(at(path, "x-kubernetes-list-map-keys"), why));
                }
                if let Some(items) = &node.items {
                    for key in &keys {
                        let known = items.properties.get(key);
                        if known.is_none_or(|k| k.default.is_none() && !items.checks.required.contains(key)) {
                            let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
                            self.causes.push(Cause::required(format!("{}[{key}]", at(path, "items.properties")), why));
                        }
                    }
                }
                node.list = List::Map(keys.into());
            }
            Some(other) => {
                self.causes.push(Cause::not_supported(field.clone(), &Value::from(other), &["atomic", "set", "map"]));
            }
        }
        if node.list != List::Atomic && node.ty != Some(Type::Array) {
            self.causes.push(Cause::invalid(
                at(path, "type"),
                &Value::from("object"),
                "must be array if x-kubernetes-list-type is specified",
            ));
        }
    }

    /// The root, each field and each item must have a type.
    fn complete(&mut self, node: &Node, map: &Map<String, Value>, path: &str, depth: usize) {
        if node.ty.is_none() && !node.int_or_string && !node.preserve {
            let place = if path.ends_with("items") {
                "must not be empty for specified array items"
            } else if depth == 0 {
                "must not be empty at the root"
            } else {
                "must not be empty for specified object fields"
            };
            self.causes.push(Cause::required(at(path, "type"), place));
        }
        if node.int_or_string && node.ty.is_some() {
            let shown = map.get("type").cloned().unwrap_or_default();
            self.causes.push(Cause::invalid(
                at(path, "type"),
                &shown,
                "must be empty if x-kubernetes-int-or-string is true",
            ));
        }
        if node.embedded && node.ty != Some(Type::Object) {
            let shown = map.get("type").cloned().unwrap_or_default();
            self.causes.push(Cause::invalid(
                at(path, "type"),
                &shown,
                "must be object if x-kubernetes-embedded-resource is true",
            ));
        }
    }

    fn default_of(&mut self, node: &mut Node, map: &Map<String, Value>, path: &str) {
        let Some(default) = map.get("default") else { return };
        if default.is_null() && !node.nullable {
            return;
        }
        for cause in validate::value(node, default) {
            let message = format!("{} (default value)", cause.line());
            self.causes.push(Cause::invalid(at(path, "default"), default, &message));
        }
        node.default = Some(default.clone());
    }

    fn checks(&mut self, map: &Map<String, Value>, path: &str, depth: usize) -> Checks {
        let count = |name: &str| map.get(name).and_then(Value::as_u64);
        let bound = |name: &str, exclusive: &str| match map.get(name) {
            Some(Value::Number(n)) => Some((n.clone(), map.get(exclusive).and_then(Value::as_bool).unwrap_or(false))),
            _ => None,
        };
        let mut checks = Checks {
            required: texts(map.get("required")),
            enumeration: map.get("enum").and_then(Value::as_array).cloned().unwrap_or_default(),
            minimum: bound("minimum", "exclusiveMinimum"),
            maximum: bound("maximum", "exclusiveMaximum"),
            multiple_of: map.get("multipleOf").and_then(Value::as_f64).filter(|n| *n > 0.0),
            pattern: None,
            format: map.get("format").and_then(Value::as_str).map(str::to_owned),
            length: (count("minLength"), count("maxLength")),
            items: (count("minItems"), count("maxItems")),
            properties: (count("minProperties"), count("maxProperties")),
            ..Checks::default()
        };
        // Kubernetes' patterns are RE2, which the regex crate follows; of ECMA's own syntax (look-around, back references)
        // neither takes anything.
        if let Some(pattern) = map.get("pattern").and_then(Value::as_str) {
            match RegexBuilder::new(pattern).size_limit(REGEX_LIMIT).build() {
                Ok(regex) => checks.pattern = Some(regex),
                Err(error) => {
                    let why = format!("must be a valid regular expression, but isn't: {error}");
                    self.causes.push(Cause::invalid(at(path, "pattern"), &Value::from(pattern), &why));
                }
            }
        }
        let list = |name: &str| map.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        for (name, into) in
            [("allOf", &mut checks.all_of), ("anyOf", &mut checks.any_of), ("oneOf", &mut checks.one_of)]
        {
            for (i, inner) in list(name).iter().enumerate() {
                into.push(self.logic(inner, &format!("{}[{i}]", at(path, name)), depth + 1));
            }
        }
        if let Some(inner) = map.get("not") {
            checks.not = Some(Box::new(self.logic(inner, &at(path, "not"), depth + 1)));
        }
        checks
    }

    /// A schema inside `allOf`, `anyOf`, `oneOf` or `not`: value checks only, save `type` for int-or-string.
    fn logic(&mut self, schema: &Value, path: &str, depth: usize) -> Node {
        let mut node = Node { preserve: true, ..Node::default() };
        let Some(map) = schema.as_object().filter(|_| depth <= DEPTH_LIMIT) else { return node };
        for name in [
            "description",
            "default",
            "additionalProperties",
            "nullable",
            "x-kubernetes-preserve-unknown-fields",
            "x-kubernetes-int-or-string",
        ] {
            if map.contains_key(name) {
                self.causes.push(Cause::forbidden(at(path, name), "must be empty to be structural"));
            }
        }
        node.ty = map.get("type").and_then(Value::as_str).and_then(Type::parse);
        node.nullable = true;
        let mut properties = BTreeMap::new();
        for (name, inner) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let below = format!("{}[{name}]", at(path, "properties"));
            properties.insert(name.clone(), Arc::new(self.logic(inner, &below, depth + 1)));
        }
        node.properties = properties;
        node.items = map.get("items").map(|inner| Arc::new(self.logic(inner, &at(path, "items"), depth + 1)));
        node.checks = self.checks(map, path, depth);
        node
    }
}

fn texts(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
