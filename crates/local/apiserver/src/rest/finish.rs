//! What every written object goes through: admission, defaults, validation.

use std::sync::Arc;

use isthmus_local_callout::admission::{Operation, Request, Versioned};
use isthmus_local_machinery::apply::{self, Writer};
use isthmus_local_machinery::status::{ApiError, Cause};
use isthmus_local_machinery::{meta, validation};
use serde_json::{Value, json};

use super::incoming::{identify, invalid};
use crate::call::Call;
use crate::core::Core;
use crate::{admission, convert};

/// A write on its way to the store.
pub(super) struct Pending<'a> {
    pub(super) core: &'a Core,
    pub(super) call: &'a Call,
    /// The object as it is, in the request's version; none for a creation.
    pub(super) live: Option<&'a Arc<Value>>,
    pub(super) operation: Operation,
    /// The managed fields have been written already, by server-side apply.
    pub(super) applied: bool,
    pub(super) dry_run: bool,
}

impl Pending<'_> {
    /// Defaults, mutating admission, field management, validation, validating admission.
    pub(super) async fn finish(&self, mut object: Value) -> Result<Value, ApiError> {
        let Self { core, call, .. } = self;
        let live = self.live.map(AsRef::as_ref);
        self.fill_defaults(&mut object);
        let object_write = matches!(call.subresource.as_str(), "" | "scale");
        if object_write {
            admission::mutate(core, call, live, &mut object)?;
        }
        object = self.mutating_webhooks(object).await?;
        if !self.applied {
            self.note_manager(&mut object);
        }
        if let Some(live) = live {
            apply::keep_times(live, &mut object);
        }
        let name = meta::name(&object).to_owned();
        let causes = self.faults(&object);
        if !causes.is_empty() {
            return Err(invalid(call, &name, causes));
        }
        if object_write {
            admission::validate(core, call, live, &object)?;
        }
        self.validating_webhooks(&object).await?;
        Ok(object)
    }

    /// Records what this write changes as the manager's own. The status that a new object begins with is the server's.
    fn note_manager(&self, object: &mut Value) {
        let Self { call, live, .. } = self;
        let manager = call.manager();
        // Only `status` is ever tracked apart.
        let subresource = if call.subresource == "status" { "status" } else { "" };
        let begins = live.is_none() && call.kind.resource.has_status();
        let status = object.as_object_mut().filter(|_| begins).and_then(|map| map.remove("status"));
        let writer = Writer { manager: &manager, subresource, now: call.now };
        apply::update(&call.kind.schema, live.map(AsRef::as_ref), object, writer);
        if let (Some(status), Some(map)) = (status, object.as_object_mut()) {
            map.insert("status".to_owned(), status);
        }
    }

    fn fill_defaults(&self, object: &mut Value) {
        let kind = &self.call.kind;
        if kind.custom.is_some() {
            kind.schema.fill_defaults(object);
        } else {
            validation::default_object(&kind.resource, object);
        }
    }

    fn faults(&self, object: &Value) -> Vec<Cause> {
        let kind = &self.call.kind;
        let live = self.live.map(AsRef::as_ref);
        let mut causes = validation::validate_object(&kind.resource, object, live);
        if kind.custom.is_some() {
            causes.extend(kind.schema.validate(object, live));
        }
        causes
    }

    async fn mutating_webhooks(&self, object: Value) -> Result<Value, ApiError> {
        const CONFIGS: &str = "admissionregistration.k8s.io/mutatingwebhookconfigurations";
        let Some((configs, request)) = self.request(CONFIGS, &object) else { return Ok(object) };
        let outcome = self.core.callouts.callout.mutate(&configs, request).await?;
        outcome.warnings.into_iter().for_each(|text| self.call.warn(text));
        let Some(mut changed) = outcome.object else { return Ok(object) };
        identify(self.call, &mut changed)?;
        let kind = &self.call.kind;
        if kind.custom.is_some() {
            kind.schema.prune(&mut changed);
        } else {
            kind.schema.decode(&mut changed)?;
        }
        self.fill_defaults(&mut changed);
        Ok(changed)
    }

    async fn validating_webhooks(&self, object: &Value) -> Result<(), ApiError> {
        const CONFIGS: &str = "admissionregistration.k8s.io/validatingwebhookconfigurations";
        let Some((configs, request)) = self.request(CONFIGS, object) else { return Ok(()) };
        let warnings = self.core.callouts.callout.validate(&configs, &request).await?;
        warnings.into_iter().for_each(|text| self.call.warn(text));
        Ok(())
    }

    fn request(&self, configs: &str, object: &Value) -> Option<(Vec<Arc<Value>>, Request)> {
        request(self.core, self.call, self.operation, configs, Some(object), self.live, self.dry_run)
    }
}

/// The webhook configurations there are, and the question to them; none when there are none.
pub(super) fn request(
    core: &Core,
    call: &Call,
    operation: Operation,
    configs: &str,
    object: Option<&Value>,
    old: Option<&Arc<Value>>,
    dry_run: bool,
) -> Option<(Vec<Arc<Value>>, Request)> {
    let configs: Vec<_> = core.store.list(configs, None).entries.into_iter().map(|entry| entry.object).collect();
    if configs.is_empty() {
        return None;
    }
    let resource = &call.kind.resource;
    let either = object.or(old.map(AsRef::as_ref));
    let name = either.map(meta::name).unwrap_or_default().to_owned();
    let namespace = call.namespace.clone().unwrap_or_default();
    // A Namespace is its own namespace object.
    let namespace_object = if call.kind.is("", "namespaces") {
        either.cloned().map(Arc::new)
    } else {
        admission::namespace(core, &namespace)
    };
    let verb = match call.verb {
        "create" => "CreateOptions",
        "update" => "UpdateOptions",
        "patch" => "PatchOptions",
        _ => "DeleteOptions",
    };
    let mut options = json!({ "kind": verb, "apiVersion": "meta.k8s.io/v1" });
    if let Some(map) = options.as_object_mut() {
        for field in ["fieldManager", "fieldValidation"] {
            if let Some(value) = call.query.get(field) {
                map.insert(field.to_owned(), json!(value));
            }
        }
        if dry_run {
            map.insert("dryRun".to_owned(), json!(["All"]));
        }
    }
    let request = Request {
        operation,
        kind: Versioned::new(&resource.group, &resource.version, &resource.kind),
        resource: Versioned::new(&resource.group, &resource.version, &resource.plural),
        subresource: call.subresource.clone(),
        name,
        namespace,
        namespace_object,
        user: (&call.user).into(),
        object: object.cloned(),
        old_object: old.cloned(),
        dry_run,
        options,
        equivalents: convert::equivalents(core, &call.kind),
    };
    Some((configs, request))
}
