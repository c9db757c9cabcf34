//! Admission that is built in.

mod namespaces;
mod pods;
mod services;
mod webhooks;

use isthmus_local_machinery::status::ApiError;
use serde_json::Value;

pub(crate) use namespaces::{deletable, namespace, namespace_takes};
pub(crate) use pods::scheduled;

use crate::call::Call;
use crate::core::Core;
use crate::crd;

/// Changes that the server itself makes to a written object.
pub(crate) fn mutate(core: &Core, call: &Call, live: Option<&Value>, object: &mut Value) -> Result<(), ApiError> {
    let resource = &call.kind.resource;
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") if live.is_none() => pods::prepare(core, call, object),
        ("", "services") => services::assign(core, call, live, object),
        ("", "namespaces") => {
            namespaces::prepare(live, object);
            Ok(())
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            crd::prepare(core, live, object);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Checks that need more than the object.
pub(crate) fn validate(core: &Core, call: &Call, live: Option<&Value>, object: &Value) -> Result<(), ApiError> {
    let resource = &call.kind.resource;
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            crd::warn(call, object);
            Ok(())
        }
        ("admissionregistration.k8s.io", _) => webhooks::validate(call, object),
        ("", "pods") => pods::validate(core, call, live, object),
        _ => Ok(()),
    }
}
