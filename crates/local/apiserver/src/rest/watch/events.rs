//! One event as a line.

use std::sync::Arc;

use bytes::Bytes;
use isthmus_local_machinery::status::ApiError;
use isthmus_local_machinery::table::{self, Include};
use isthmus_local_store::{Event, EventKind};
use serde_json::{Value, json};

use crate::convert;
use crate::core::Core;
use crate::http::negotiate::Form;
use crate::http::reply::line;
use crate::present::metadata_only;
use crate::registry::Kind;
use crate::rest::options::Selection;

pub(super) struct Writer {
    pub(super) kind: Arc<Kind>,
    form: Form,
    include: Include,
    /// Whether the columns of a table have been sent.
    defined: bool,
}

impl Writer {
    pub(super) fn new(kind: Arc<Kind>, form: Form, include: Include) -> Self {
        Self { kind, form, include, defined: false }
    }

    /// What a change means to somebody who sees only what `selection` matches; none if nothing.
    pub(super) async fn change(
        &mut self,
        core: &Core,
        selection: &Selection,
        event: Event,
    ) -> Result<Option<Bytes>, ApiError> {
        let object = convert::one_from_storage(core, &self.kind, event.object).await?;
        let before = match event.previous {
            Some(previous) => Some(convert::one_from_storage(core, &self.kind, previous).await?),
            None => None,
        };
        let was = before.as_ref().is_some_and(|before| selection.matches(before));
        let is = event.kind != EventKind::Deleted && selection.matches(&object);
        Ok(match (was, is) {
            (false, false) => None,
            (false, true) => Some(self.event("ADDED", &object)),
            (true, true) => Some(self.event("MODIFIED", &object)),
            (true, false) if event.kind == EventKind::Deleted => Some(self.event("DELETED", &object)),
            (true, false) => {
                // It is there still, but no longer among the selected: gone, as it last was among them.
                let mut last = before.map_or_else(|| Value::clone(&object), Arc::unwrap_or_clone);
                if let Some(version) = last.pointer_mut("/metadata/resourceVersion") {
                    *version = json!(event.revision.to_string());
                }
                Some(self.event("DELETED", &last))
            }
        })
    }

    pub(super) fn event(&mut self, name: &str, object: &Value) -> Bytes {
        match self.form {
            Form::Object => {
                let mut out = format!("{{\"type\":\"{name}\",\"object\":").into_bytes();
                // Writing to a Vec can't fail, and a Value has only string keys.
                let _ = serde_json::to_writer(&mut out, object);
                out.extend_from_slice(b"}\n");
                out.into()
            }
            Form::Metadata => line(&json!({ "type": name, "object": metadata_only(object) })).into(),
            Form::Table => {
                let version = object.pointer("/metadata/resourceVersion").cloned().unwrap_or(Value::Null);
                self.table(name, &[object], &version)
            }
        }
    }

    /// Says that everything up to `revision` has been told; `initial` also that the present state has.
    pub(super) fn bookmark(&mut self, revision: u64, initial: bool) -> Bytes {
        let version = json!(revision.to_string());
        let mut metadata = json!({ "resourceVersion": version, "creationTimestamp": null });
        if initial && let Some(map) = metadata.as_object_mut() {
            map.insert("annotations".to_owned(), json!({ "k8s.io/initial-events-end": "true" }));
        }
        let resource = &self.kind.resource;
        let object = match self.form {
            Form::Table => return self.table("BOOKMARK", &[], &version),
            Form::Metadata => metadata_only(&json!({ "metadata": metadata })),
            Form::Object => {
                json!({ "kind": resource.kind, "apiVersion": resource.api_version(), "metadata": metadata })
            }
        };
        line(&json!({ "type": "BOOKMARK", "object": object })).into()
    }

    fn table(&mut self, name: &str, objects: &[&Value], version: &Value) -> Bytes {
        let metadata = json!({ "resourceVersion": version });
        let (items, define) = (objects.iter().copied(), !self.defined);
        let now = jiff::Timestamp::now();
        let table = table::to_table(&self.kind.columns, items, Some(&metadata), define, self.include, now);
        self.defined = true;
        line(&json!({ "type": name, "object": table })).into()
    }
}

/// The last event of a watch that can't go on.
pub(super) fn error(error: &ApiError) -> Bytes {
    line(&json!({ "type": "ERROR", "object": error.to_status() })).into()
}
