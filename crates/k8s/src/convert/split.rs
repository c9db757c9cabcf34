//! TrafficSplit: v1alpha1 and v1alpha2 have no `matches`, and v1alpha1's weights are Quantities.

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::{
    ConversionError, Object, Version, list,
    parked::{Parked, pair},
    quantity::{canonical, milli},
    spec,
};
use crate::split::RouteGroupRef;

const MATCHES: &str = "matches";
const WEIGHTS: &str = "weights";

/// A weight in its two forms, where one doesn't follow from the other. It holds as long as neither was changed.
#[derive(Debug, Serialize, Deserialize)]
struct Weight {
    index: usize,
    service: Value,
    weight: Number,
    quantity: Value,
}

pub(super) fn to_stored(from: Version, object: &mut Object, parked: &mut Parked) -> Result<(), ConversionError> {
    if from <= Version::V1Alpha2 {
        let matches: Option<Value> = parked.demand(MATCHES)?;
        if let (Some(spec), Some(matches)) = (spec(object), matches) {
            // Without its matches the split would take hold of all requests.
            Option::<Vec<RouteGroupRef>>::deserialize(&matches)
                .map_err(|error| ConversionError::InvalidParked { fault: format!("{MATCHES}: {error}") })?;
            spec.entry(MATCHES).or_insert(matches);
        }
    }
    if from == Version::V1Alpha1 {
        let known = indexed(parked.demand(WEIGHTS)?);
        let Some(spec) = spec(object) else { return Ok(()) };
        let backends = list(spec, "backends");
        let same = |weight: &Weight, backend: &Value| {
            backend.get("service") == Some(&weight.service)
                && backend.get("weight") == Some(&weight.quantity)
                && weight.weight.as_i64().is_none()
        };
        let known = pair(known, backends, same);
        let mut odd = Vec::new();
        for (index, (backend, known)) in backends.iter_mut().zip(known).enumerate() {
            let service = backend.get("service").cloned().unwrap_or_default();
            let Some(quantity) = backend.get_mut("weight") else { continue };
            let weight = match known {
                Some(known) => known.weight,
                None => milli(quantity).map(Number::from).ok_or_else(|| {
                    ConversionError::field(
                        format!("spec.backends[{index}].weight"),
                        quantity,
                        "a Quantity of that range",
                    )
                })?,
            };
            let quantity = std::mem::replace(quantity, Value::Number(weight.clone()));
            if canonical(&weight) != quantity {
                odd.push(Weight { index, service, weight, quantity });
            }
        }
        parked.insert_all(WEIGHTS, &odd);
    }
    Ok(())
}

pub(super) fn from_stored(to: Version, object: &mut Object, parked: &mut Parked) {
    let Some(spec) = spec(object) else { return };
    if to <= Version::V1Alpha2
        && let Some(matches) = spec.remove(MATCHES)
    {
        parked.insert(MATCHES, matches);
    }
    if to == Version::V1Alpha1 {
        let known = indexed(parked.remove(WEIGHTS));
        let backends = list(spec, "backends");
        let same = |weight: &Weight, backend: &Value| {
            backend.get("service") == Some(&weight.service)
                && backend.get("weight").and_then(Value::as_number) == Some(&weight.weight)
                && milli(&weight.quantity).map(Number::from).as_ref() == Some(&weight.weight)
        };
        let known = pair(known, backends, same);
        let mut odd = Vec::new();
        for (index, (backend, known)) in backends.iter_mut().zip(known).enumerate() {
            let service = backend.get("service").cloned().unwrap_or_default();
            let Some(place) = backend.get_mut("weight") else { continue };
            let Value::Number(weight) = place.clone() else { continue };
            let quantity = known.map_or_else(|| canonical(&weight), |known| known.quantity);
            if milli(&quantity).map(Number::from).as_ref() != Some(&weight) {
                odd.push(Weight { index, service, weight, quantity: quantity.clone() });
            }
            *place = quantity;
        }
        parked.insert_all(WEIGHTS, &odd);
    }
}

fn indexed(weights: Option<Vec<Weight>>) -> Vec<(usize, Weight)> {
    weights.into_iter().flatten().map(|weight| (weight.index, weight)).collect()
}
