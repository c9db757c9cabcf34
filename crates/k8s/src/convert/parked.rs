//! What the present version of an object can't hold: in one annotation, as JSON. Clients that read and write back a
//! typed struct of their version lose every field that it doesn't know, but keep annotations.

use isthmus_core::broken::{self, Fault};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{ConversionError, Object, Version};
use crate::access::TrafficTarget;

/// Holds what the object's present version can't. Made and read by the conversion; of what it says, only the ports of
/// a TrafficTarget have an effect on the object as it is stored.
pub const PARKED_ANNOTATION: &str = "isthmus.mesh/parked";
/// `destination.port` of v1alpha1 and v1alpha2, which later versions don't have.
pub(super) const PORTS: &str = "ports";
/// Where the stored annotation can't be read: its text, so that it isn't lost.
const UNREADABLE: &str = "unreadable";

/// What is parked, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Parked(Map<String, Value>);

impl Parked {
    /// Takes the annotation off an object. What is stored may say anything; what comes from clients of older versions
    /// must be readable, for if it was dropped a grant could become wider.
    pub(super) fn take(object: &mut Object, from: Version) -> Result<Self, ConversionError> {
        let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
        let Some(metadata) = metadata else { return Ok(Self::default()) };
        let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else {
            return Ok(Self::default());
        };
        let Some(found) = annotations.remove(PARKED_ANNOTATION) else { return Ok(Self::default()) };
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
        let text = found.as_str().unwrap_or_default();
        match serde_json::from_str(text) {
            Ok(map) => Ok(Self(map)),
            Err(_) if from == Version::V1Alpha4 => Ok(Self(Map::from_iter([(UNREADABLE.to_owned(), text.into())]))),
            Err(error) => Err(ConversionError::InvalidParked { fault: format!("not a JSON object: {error}") }),
        }
    }

    /// Puts it back, if anything is left.
    pub(super) fn put(mut self, object: &mut Object, to: Version) {
        let unreadable = (to == Version::V1Alpha4).then(|| self.0.remove(UNREADABLE)).flatten();
        let text = match unreadable {
            Some(text) => text,
            None if self.0.is_empty() => return,
            None => Value::Object(self.0).to_string().into(),
        };
        let Some(metadata) = child(object, "metadata") else { return };
        let Some(annotations) = child(metadata, "annotations") else { return };
        annotations.insert(PARKED_ANNOTATION.to_owned(), text);
    }

    /// Parks a value.
    pub(super) fn insert(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    /// Parks records, if there are any.
    pub(super) fn insert_all(&mut self, name: &str, records: &[impl Serialize]) {
        if let Some(value) = serde_json::to_value(records).ok().filter(|_| !records.is_empty()) {
            self.insert(name, value);
        }
    }

    /// What was parked under the name, if that can be read; otherwise it stays.
    pub(super) fn remove<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = T::deserialize(self.0.get(name)?).ok()?;
        self.0.remove(name);
        Some(value)
    }

    /// The same of a client's object: what can't be read is its fault.
    pub(super) fn demand<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, ConversionError> {
        let Some(value) = self.0.remove(name) else { return Ok(None) };
        let fault = |error| ConversionError::InvalidParked { fault: format!("{name}: {error}") };
        T::deserialize(value).map(Some).map_err(fault)
    }
}

/// An object within an object, made if it isn't there. `None`: there is something else.
fn child<'a>(object: &'a mut Object, name: &str) -> Option<&'a mut Object> {
    let value = object.entry(name).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Object::new());
    }
    value.as_object_mut()
}

/// Gives what was parked back to those that it belongs to: first by place, then to the first that it fits.
pub(super) fn pair<R, T>(records: Vec<(usize, R)>, items: &[T], fits: impl Fn(&R, &T) -> bool) -> Vec<Option<R>> {
    let mut given: Vec<Option<R>> = items.iter().map(|_| None).collect();
    let mut left = Vec::new();
    for (index, record) in records {
        match (items.get(index), given.get_mut(index)) {
            (Some(item), Some(place @ None)) if fits(&record, item) => *place = Some(record),
            _ => left.push(record),
        }
    }
    for record in left {
        let free = items.iter().zip(&mut given).find(|(item, place)| place.is_none() && fits(&record, item));
        if let Some((_, place)) = free {
            *place = Some(record);
        }
    }
    given
}

/// Ports of a TrafficTarget's subjects, by the versions that had them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ports {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) destination: Option<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) sources: Vec<SourcePort>,
}

/// Of one source, which is told by its place and its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SourcePort {
    pub(super) index: usize,
    pub(super) subject: Value,
    pub(super) port: Value,
}

/// The port that a TrafficTarget was limited to by a version that could say so; it opens nothing else. `Err`: there is
/// something that can't be read, so it isn't known how far the target was meant to reach.
pub fn parked_port(target: &TrafficTarget) -> Result<Option<u16>, String> {
    if broken::is(Fault::LegacyPortWidens) {
        return Ok(None);
    }
    let annotations = target.metadata.annotations.as_ref();
    let Some(text) = annotations.and_then(|annotations| annotations.get(PARKED_ANNOTATION)) else { return Ok(None) };
    let mut parked: Map<String, Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Some(ports) = parked.remove(PORTS) else { return Ok(None) };
    let ports: Ports = serde_json::from_value(ports).map_err(|error| error.to_string())?;
    let Some(port) = ports.destination.filter(|port| !port.is_null()) else { return Ok(None) };
    let number = port.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
    number.map(Some).ok_or_else(|| format!("ports.destination: {port} isn't a port"))
}
