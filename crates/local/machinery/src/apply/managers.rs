//! `metadata.managedFields`: who owns what.

use serde_json::{Map, Value};

use super::{Writer, fields::Set, walk::Changes};
use crate::meta;

/// Entries of operation `Update` that are kept apart; the oldest beyond it become one.
const UPDATE_LIMIT: usize = 10;
/// The manager of those.
const ANCIENT: &str = "ancient-changes";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// One entry of the list.
#[derive(Debug, Clone, PartialEq)]
struct Manager {
    operation: Operation,
    name: String,
    api_version: String,
    subresource: String,
    time: String,
    set: Set,
}

/// All entries of an object.
#[derive(Debug, Default)]
pub(super) struct Managers(Vec<Manager>);

/// Another manager's fields that an apply would change.
#[derive(Debug)]
pub(super) struct Conflict {
    /// As conflict texts name it: `"kubectl" using v1`.
    pub(super) owner: String,
    pub(super) fields: Set,
}

/// What a written object says about managed fields.
pub(super) enum Given {
    None,
    Some,
    Reset,
}

pub(super) fn given(object: &Value) -> Given {
    let list = meta::metadata(object).and_then(|meta| meta.get("managedFields")).and_then(Value::as_array);
    match list.map(Vec::as_slice) {
        None | Some([]) => Given::None,
        Some([Value::Object(one)]) if one.is_empty() => Given::Reset,
        Some(_) => Given::Some,
    }
}

impl Managers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Entries that can't be read are left out.
    pub(super) fn read(object: &Value) -> Self {
        let list = meta::metadata(object).and_then(|meta| meta.get("managedFields")).and_then(Value::as_array);
        Self(list.into_iter().flatten().filter_map(Manager::read).collect())
    }

    fn position(&self, writer: Writer<'_>, operation: Operation, version: &str) -> Option<usize> {
        self.0.iter().position(|m| {
            m.operation == operation
                && m.name == writer.manager
                && m.api_version == version
                && m.subresource == writer.subresource
        })
    }

    pub(super) fn get(&self, writer: Writer<'_>, operation: Operation, version: &str) -> Option<&Set> {
        self.0.get(self.position(writer, operation, version)?).map(|manager| &manager.set)
    }

    /// Sets what a manager owns; the time is new only when that changed.
    pub(super) fn put(&mut self, writer: Writer<'_>, operation: Operation, version: &str, set: Set) {
        let at = self.position(writer, operation, version);
        match at.and_then(|at| self.0.get_mut(at)) {
            Some(known) if known.set == set => {}
            Some(known) => {
                known.set = set;
                known.time = meta::rfc3339(writer.now);
            }
            None => self.0.push(Manager {
                operation,
                name: writer.manager.to_owned(),
                api_version: version.to_owned(),
                subresource: writer.subresource.to_owned(),
                time: meta::rfc3339(writer.now),
                set,
            }),
        }
    }

    /// All owned fields.
    pub(super) fn all(&self) -> Set {
        self.0.iter().fold(Set::default(), |all, manager| all.union(&manager.set))
    }

    /// Of `fields`, those that nobody owns, neither themselves nor anything below.
    pub(super) fn unowned(&self, fields: &Set) -> Set {
        fields.minus_touched(&self.all())
    }

    fn others(
        &mut self,
        writer: Writer<'_>,
        operation: Operation,
        version: &str,
    ) -> impl Iterator<Item = &mut Manager> {
        let own = self.position(writer, operation, version);
        self.0.iter_mut().enumerate().filter(move |(at, _)| Some(*at) != own).map(|(_, manager)| manager)
    }

    pub(super) fn conflicts(
        &mut self,
        writer: Writer<'_>,
        operation: Operation,
        version: &str,
        changes: &Changes,
    ) -> Vec<Conflict> {
        let touched = changes.touched();
        let conflicts = self
            .others(writer, operation, version)
            .map(|manager| Conflict { owner: manager.shown(), fields: manager.set.intersection(&touched) });
        conflicts.filter(|conflict| !conflict.fields.is_empty()).collect()
    }

    /// The others lose what this write changes or removes.
    pub(super) fn give_up(&mut self, writer: Writer<'_>, operation: Operation, version: &str, changes: &Changes) {
        let lost = changes.touched().union(&changes.removed);
        for manager in self.others(writer, operation, version) {
            manager.set = manager.set.minus(&lost);
        }
    }

    /// Writes the list into the object, without managers that own nothing.
    pub(super) fn write(mut self, object: &mut Value) {
        self.0.retain(|manager| !manager.set.is_empty());
        self.cap();
        self.0.sort_by(|a, b| {
            let key = |m: &Manager| {
                (m.operation, m.time.clone(), m.name.clone(), m.api_version.clone(), m.subresource.clone())
            };
            key(a).cmp(&key(b))
        });
        let list: Vec<Value> = self.0.iter().map(Manager::to_value).collect();
        let Some(meta) = meta::metadata_mut(object) else { return };
        if list.is_empty() {
            meta.remove("managedFields");
        } else {
            meta.insert("managedFields".to_owned(), Value::Array(list));
        }
    }

    fn cap(&mut self) {
        let mut updates: Vec<(String, usize)> = self
            .0
            .iter()
            .enumerate()
            .filter(|(_, m)| m.operation == Operation::Update && m.name != ANCIENT)
            .map(|(at, m)| (m.time.clone(), at))
            .collect();
        if updates.len() <= UPDATE_LIMIT {
            return;
        }
        updates.sort();
        let old: Vec<usize> = updates.iter().take(updates.len() - UPDATE_LIMIT).map(|(_, at)| *at).collect();
        for at in old {
            let Some(manager) = self.0.get_mut(at) else { continue };
            let (version, set) = (manager.api_version.clone(), std::mem::take(&mut manager.set));
            let time = manager.time.clone();
            match self.0.iter_mut().find(|m| m.name == ANCIENT && m.api_version == version) {
                Some(ancient) => ancient.set = ancient.set.union(&set),
                None => self.0.push(Manager {
                    operation: Operation::Update,
                    name: ANCIENT.to_owned(),
                    api_version: version,
                    subresource: String::new(),
                    time,
                    set,
                }),
            }
        }
        self.0.retain(|manager| !manager.set.is_empty());
    }
}

impl Manager {
    fn read(entry: &Value) -> Option<Self> {
        let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let operation = match text("operation").as_str() {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return None,
        };
        Some(Self {
            operation,
            name: text("manager"),
            api_version: text("apiVersion"),
            subresource: text("subresource"),
            time: text("time"),
            set: Set::from_fields_v1(entry.get("fieldsV1")?)?,
        })
    }

    fn to_value(&self) -> Value {
        let mut map = Map::new();
        let fields = [
            ("manager", &self.name),
            ("operation", &self.operation.name().to_owned()),
            ("apiVersion", &self.api_version),
            ("time", &self.time),
            ("fieldsType", &"FieldsV1".to_owned()),
            ("subresource", &self.subresource),
        ];
        for (key, text) in fields {
            if !text.is_empty() {
                map.insert(key.to_owned(), Value::from(text.as_str()));
            }
        }
        map.insert("fieldsV1".to_owned(), self.set.to_fields_v1());
        Value::Object(map)
    }

    fn shown(&self) -> String {
        let mut text = format!("{:?}", self.name);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if self.operation == Operation::Update {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }
}
