//! TCPRoute: v1alpha1 and v1alpha2 have metadata alone, v1alpha3 an empty `spec`; ports are v1alpha4's.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ConversionError, Object, Version, parked::Parked, spec};
use crate::specs::Ports;

const MATCHES: &str = "matches";

pub(super) fn to_stored(from: Version, object: &mut Object, parked: &mut Parked) -> Result<(), ConversionError> {
    if from <= Version::V1Alpha3 {
        let matches: Option<Value> = parked.demand(MATCHES)?;
        if from <= Version::V1Alpha2 || !object.get("spec").is_some_and(Value::is_object) {
            object.insert("spec".to_owned(), json!({}));
        }
        if let (Some(spec), Some(matches)) = (spec(object), matches) {
            // Without its ports the route would open all of them.
            Ports::deserialize(&matches)
                .map_err(|error| ConversionError::InvalidParked { fault: format!("{MATCHES}: {error}") })?;
            spec.entry(MATCHES).or_insert(matches);
        }
    }
    Ok(())
}

pub(super) fn from_stored(to: Version, object: &mut Object, parked: &mut Parked) {
    if to <= Version::V1Alpha3
        && let Some(matches) = spec(object).and_then(|spec| spec.remove(MATCHES))
    {
        parked.insert(MATCHES, matches);
    }
    if to <= Version::V1Alpha2 {
        object.remove("spec");
    }
}
