//! What a client is told about a definition that is accepted. Faults are found by the checks of all built-in kinds.

use isthmus_local_machinery::crd::versions;
use isthmus_local_machinery::schema::Schema;
use serde_json::Value;

use crate::call::Call;

/// Warns of what the schemas say and this server does not do.
pub(crate) fn warn(call: &Call, object: &Value) {
    let parsed = versions(object).into_iter().filter_map(|version| Schema::parse(&version.openapi?).ok());
    parsed.for_each(|schema| schema.warnings().iter().for_each(|text| call.warn(text.clone())));
}
