//! Between the versions of SMI's kinds: every version is served, and v1alpha4 is what is stored, so it is the one
//! through which all others go.
//!
//! Nothing is lost on the way. What a version can't hold is [`parked`] in an annotation, and comes back where it fits;
//! what a client has changed meanwhile counts more than what was parked.

mod group;
pub mod parked;
mod quantity;
mod route;
mod split;
mod target;
mod version;

use isthmus_core::broken::{self, Fault};
use serde_json::{Map, Value};

pub use parked::PARKED_ANNOTATION;
use parked::Parked;
pub use version::Version;

/// Why an object can't be had in another version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConversionError {
    /// It isn't one of SMI's kinds.
    #[error("{api_version} {kind}: not a kind that is converted here")]
    UnknownKind {
        /// What it says that it is.
        api_version: String,
        /// Likewise.
        kind: String,
    },
    /// The kind has no such version.
    #[error("{kind} has no version {version:?}")]
    UnknownVersion {
        /// Of this kind.
        kind: &'static str,
        /// What was asked for.
        version: String,
    },
    /// A field doesn't have the shape that its version demands.
    #[error("{field}: {value} isn't {expected}")]
    InvalidField {
        /// Where, as the object's own version names it.
        field: String,
        /// The beginning of what is there.
        value: String,
        /// What would do.
        expected: &'static str,
    },
    /// What another version had parked can't be read any more.
    #[error("metadata.annotations[{PARKED_ANNOTATION}]: {fault}; leave it as it was read, or remove it")]
    InvalidParked {
        /// What is wrong with it.
        fault: String,
    },
}

impl ConversionError {
    fn field(field: impl Into<String>, value: &Value, expected: &'static str) -> Self {
        let value = value.to_string().chars().take(80).collect();
        Self::InvalidField { field: field.into(), value, expected }
    }
}

/// The object in the version `desired` (`group/version`).
///
/// Whatever was stored as v1alpha4 can be had in every version: one bad object doesn't hide a list. What clients write
/// in an older one is refused if it can't be understood.
pub fn convert(mut object: Value, desired: &str) -> Result<Value, ConversionError> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let unknown = || ConversionError::UnknownKind { api_version: api_version.to_owned(), kind: kind.to_owned() };
    let (group, from) = api_version.split_once('/').ok_or_else(unknown)?;
    let kind = SmiKind::read(group, kind).ok_or_else(unknown)?;
    let to = match desired.split_once('/') {
        Some((wanted, version)) if wanted == group => kind.version(version),
        _ => Err(ConversionError::UnknownVersion { kind: kind.name(), version: desired.to_owned() }),
    }?;
    let from = kind.version(from)?;
    let Some(fields) = object.as_object_mut().filter(|_| from != to) else { return Ok(object) };
    if broken::is(Fault::VersionUnconverted) && (from == Version::V1Alpha1 || to == Version::V1Alpha1) {
        fields.insert("apiVersion".to_owned(), desired.into());
        return Ok(object);
    }
    let mut parked = Parked::take(fields, from)?;
    kind.to_stored(from, fields, &mut parked)?;
    kind.to_older(to, fields, &mut parked);
    if !broken::is(Fault::ParkedLost) {
        parked.put(fields, to);
    }
    fields.insert("apiVersion".to_owned(), desired.into());
    Ok(object)
}

/// The kinds of several versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SmiKind {
    HttpRouteGroup,
    TcpRoute,
    TrafficSplit,
    TrafficTarget,
}

impl SmiKind {
    fn read(group: &str, kind: &str) -> Option<Self> {
        match (group, kind) {
            ("specs.smi-spec.io", "HTTPRouteGroup") => Some(Self::HttpRouteGroup),
            ("specs.smi-spec.io", "TCPRoute") => Some(Self::TcpRoute),
            ("split.smi-spec.io", "TrafficSplit") => Some(Self::TrafficSplit),
            ("access.smi-spec.io", "TrafficTarget") => Some(Self::TrafficTarget),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::HttpRouteGroup => "HTTPRouteGroup",
            Self::TcpRoute => "TCPRoute",
            Self::TrafficSplit => "TrafficSplit",
            Self::TrafficTarget => "TrafficTarget",
        }
    }

    fn version(self, name: &str) -> Result<Version, ConversionError> {
        let unknown = || ConversionError::UnknownVersion { kind: self.name(), version: name.to_owned() };
        Version::read(name).ok_or_else(unknown)
    }

    /// To v1alpha4; what that can't hold goes to `parked`.
    fn to_stored(self, from: Version, object: &mut Object, parked: &mut Parked) -> Result<(), ConversionError> {
        match self {
            Self::HttpRouteGroup => group::to_stored(from, object, parked),
            Self::TcpRoute => route::to_stored(from, object, parked),
            Self::TrafficSplit => split::to_stored(from, object, parked),
            Self::TrafficTarget => target::to_stored(from, object, parked),
        }
    }

    /// From v1alpha4; what `to` can't hold goes to `parked`.
    fn to_older(self, to: Version, object: &mut Object, parked: &mut Parked) {
        match self {
            Self::HttpRouteGroup => group::from_stored(to, object, parked),
            Self::TcpRoute => route::from_stored(to, object, parked),
            Self::TrafficSplit => split::from_stored(to, object, parked),
            Self::TrafficTarget => target::from_stored(to, object, parked),
        }
    }
}

/// The fields of an object.
type Object = Map<String, Value>;

/// The `spec`, if it has the shape of one.
fn spec(object: &mut Object) -> Option<&mut Object> {
    object.get_mut("spec").and_then(Value::as_object_mut)
}

/// The elements of a list; none if it isn't one.
fn list<'a>(fields: &'a mut Object, name: &str) -> &'a mut [Value] {
    fields.get_mut(name).and_then(Value::as_array_mut).map(Vec::as_mut_slice).unwrap_or_default()
}

/// Moves fields from the object itself into its `spec`, where the versions before had none.
fn wrap(object: &mut Object, names: &[(&str, &str)]) {
    let mut spec = Object::new();
    for (flat, wrapped) in names {
        if let Some(value) = object.remove(*flat) {
            spec.insert((*wrapped).to_owned(), value);
        }
    }
    object.insert("spec".to_owned(), Value::Object(spec));
}

/// The opposite.
fn unwrap(object: &mut Object, names: &[(&str, &str)]) {
    let Some(Value::Object(mut spec)) = object.remove("spec") else { return };
    for (flat, wrapped) in names {
        if let Some(value) = spec.remove(*wrapped) {
            object.insert((*flat).to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests;
