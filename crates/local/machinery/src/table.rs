//! `Table` answers: what `kubectl get` prints (meta.k8s.io/v1 Table).

mod age;
mod apps;
mod cells;
mod cluster;
mod pods;
mod services;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{jsonpath::Path, resource::Resource};

/// What goes along with each row (the `includeObject` parameter).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Include {
    /// A `PartialObjectMetadata`; the default.
    #[default]
    Metadata,
    /// The whole object.
    Object,
    /// Nothing.
    None,
}

/// The columns of a kind.
#[derive(Debug, Clone)]
pub struct Columns(Vec<Column>);

#[derive(Debug, Clone)]
struct Column {
    name: String,
    kind: String,
    format: String,
    description: String,
    /// 0 is always shown; above that only with `-o wide`.
    priority: i64,
    cell: Cell,
}

#[derive(Debug, Clone)]
enum Cell {
    Computed(fn(&Value, Timestamp) -> Value),
    Path { path: Option<Path>, date: bool },
}

/// A computed column of a built-in kind: name, whether only `-o wide` shows it, cell.
type Computed = (&'static str, bool, fn(&Value, Timestamp) -> Value);

impl Columns {
    /// Of a built-in kind.
    #[must_use]
    pub fn builtin(resource: &Resource) -> Self {
        let rest: &[Computed] = match (resource.group.as_str(), resource.kind.as_str()) {
            ("", "Pod") => pods::COLUMNS,
            ("", "Service") => services::SERVICE,
            ("", "Endpoints") => services::ENDPOINTS,
            ("discovery.k8s.io", "EndpointSlice") => services::ENDPOINT_SLICE,
            ("apps", "Deployment") => apps::DEPLOYMENT,
            ("apps", "ReplicaSet") | ("", "ReplicationController") => apps::REPLICA_SET,
            ("apps", "DaemonSet") => apps::DAEMON_SET,
            ("apps", "StatefulSet") => apps::STATEFUL_SET,
            ("batch", "Job") => apps::JOB,
            ("", "Node") => cluster::NODE,
            ("", "Namespace") => cluster::NAMESPACE,
            ("", "ServiceAccount") => cluster::SERVICE_ACCOUNT,
            ("", "Secret") => cluster::SECRET,
            ("", "ConfigMap") => cluster::CONFIG_MAP,
            ("coordination.k8s.io", "Lease") => cluster::LEASE,
            ("apiextensions.k8s.io", _) => cluster::DEFINITION,
            ("apiregistration.k8s.io", _) => cluster::API_SERVICE,
            ("admissionregistration.k8s.io", _) => cluster::WEBHOOKS,
            ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => cluster::ROLE,
            ("rbac.authorization.k8s.io", _) => cluster::BINDING,
            ("" | "events.k8s.io", "Event") => return Self(cluster::EVENT.iter().map(Column::computed).collect()),
            _ => &[("Age", false, cells::age)],
        };
        Self([Column::name()].into_iter().chain(rest.iter().map(Column::computed)).collect())
    }

    /// Of a custom kind, by its version's `additionalPrinterColumns`; without them Name and Age.
    #[must_use]
    pub fn custom(printer_columns: Option<&Value>) -> Self {
        let list = printer_columns.and_then(Value::as_array).filter(|list| !list.is_empty());
        let rest: Vec<Column> = match list {
            Some(list) => list.iter().map(Column::custom).collect(),
            None => vec![Column::computed(&("Age", false, cells::age))],
        };
        Self([Column::name()].into_iter().chain(rest).collect())
    }

    fn definitions(&self) -> Value {
        let one = |c: &Column| json!({"name": c.name, "type": c.kind, "format": c.format, "description": c.description, "priority": c.priority});
        self.0.iter().map(one).collect()
    }
}

impl Column {
    fn name() -> Self {
        let mut column = Self::computed(&("Name", false, cells::name));
        "name".clone_into(&mut column.format);
        column
    }

    fn computed((name, wide, cell): &Computed) -> Self {
        Self {
            name: (*name).to_owned(),
            kind: "string".to_owned(),
            format: String::new(),
            description: String::new(),
            priority: i64::from(*wide),
            cell: Cell::Computed(*cell),
        }
    }

    fn custom(definition: &Value) -> Self {
        let text = |key: &str| definition.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let kind = text("type");
        let cell = Cell::Path { path: Path::parse(&text("jsonPath")).ok(), date: kind == "date" };
        Self {
            name: text("name"),
            format: text("format"),
            description: text("description"),
            priority: definition.get("priority").and_then(Value::as_i64).unwrap_or(0),
            kind,
            cell,
        }
    }

    fn cell(&self, object: &Value, now: Timestamp) -> Value {
        match &self.cell {
            Cell::Computed(cell) => cell(object, now),
            Cell::Path { path, date } => {
                let found = path.as_ref().map(|p| p.find(object)).unwrap_or_default();
                match (found.first(), date) {
                    (None, _) => Value::Null,
                    (Some(time), true) => cells::since(time.as_str(), now),
                    (Some(value @ (Value::Object(_) | Value::Array(_))), false) => Value::from(value.to_string()),
                    (Some(value), false) => (*value).clone(),
                }
            }
        }
    }
}

/// The `meta.k8s.io/v1` `Table` of some objects. `list_metadata` is the list's `metadata` (resourceVersion, continue).
/// `definitions` false leaves the column definitions out, as on a watch after its first event.
#[must_use]
pub fn to_table<'a>(
    columns: &Columns,
    items: impl IntoIterator<Item = &'a Value>,
    list_metadata: Option<&Value>,
    definitions: bool,
    include: Include,
    now: Timestamp,
) -> Value {
    let row = |object: &Value| {
        let cells: Vec<Value> = columns.0.iter().map(|column| column.cell(object, now)).collect();
        let mut row = Map::from_iter([("cells".to_owned(), Value::from(cells))]);
        match include {
            Include::None => {}
            Include::Object => drop(row.insert("object".to_owned(), object.clone())),
            Include::Metadata => drop(row.insert("object".to_owned(), partial(object))),
        }
        Value::Object(row)
    };
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": list_metadata.cloned().unwrap_or_else(|| json!({})),
        "columnDefinitions": if definitions { columns.definitions() } else { Value::Null },
        "rows": items.into_iter().map(row).collect::<Vec<_>>(),
    })
}

fn partial(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object.get("metadata")})
}

#[cfg(test)]
mod tests;
