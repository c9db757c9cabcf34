//! A build that is broken on purpose says so, whatever it is started as.

use std::process::ExitCode;

use isthmus_core::broken::{Fault, chosen};
use isthmus_runtime::logging;

use crate::USAGE;

/// Stands below the help.
pub(crate) const HELP: &str =
    "THIS BUILD IS BROKEN ON PURPOSE, for the conformance suite to be held against it. Never run anything on it.";

/// Says which fault this process has. `Some`: it has to end, for it is asked for one that there isn't.
pub(crate) fn say() -> Option<ExitCode> {
    match chosen() {
        Ok(fault) => {
            let fault = fault.map_or("no fault is chosen", Fault::as_str);
            logging::say(&format!("isthmus: THIS BUILD IS BROKEN ON PURPOSE ({fault}): never run anything on it"));
            None
        }
        Err(error) => {
            logging::say(&format!("isthmus: {error}"));
            Some(ExitCode::from(USAGE))
        }
    }
}

/// What `isthmus version -o json` says, and which faults there are.
pub(crate) fn with_faults(mut version: serde_json::Value) -> serde_json::Value {
    let faults: Vec<_> = Fault::ALL.iter().map(|fault| fault.as_str()).collect();
    if let Some(fields) = version.as_object_mut() {
        let fault = chosen().ok().flatten().map(Fault::as_str);
        fields.insert("broken".to_owned(), serde_json::json!({ "fault": fault, "faults": faults }));
    }
    version
}
