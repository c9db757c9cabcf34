//! TrafficTarget: v1alpha1 has no `spec` and calls its rules `specs`; v1alpha1 and v1alpha2 have a `port` at the
//! destination that limits the target, where v1alpha3 and v1alpha4 name ports by routes.
//!
//! So `port` means two things: a limit in the older versions, and in the newer ones a field that isn't theirs and has no
//! effect. Each is parked where the other is meant, so that neither is taken for the other.

use serde_json::{Map, Value};

use super::{
    ConversionError, Object, Version, list,
    parked::{PORTS, Parked, Ports, SourcePort, pair},
    spec, unwrap, wrap,
};

const UNUSED_PORTS: &str = "unusedPorts";
const FLAT: [(&str, &str); 3] = [("destination", "destination"), ("specs", "rules"), ("sources", "sources")];

pub(super) fn to_stored(from: Version, object: &mut Object, parked: &mut Parked) -> Result<(), ConversionError> {
    if from > Version::V1Alpha2 {
        return Ok(());
    }
    if from == Version::V1Alpha1 {
        wrap(object, &FLAT);
    }
    let kept: Option<Ports> = parked.demand(PORTS)?;
    let unused: Option<Ports> = parked.demand(UNUSED_PORTS)?;
    let Some(spec) = spec(object) else { return Ok(()) };
    let mut ports = take(spec);
    // A limit that came along in the annotation of another version still holds where the field says nothing.
    ports.destination = ports.destination.or(kept.and_then(|kept| kept.destination));
    if let Some(port) = ports.destination.as_ref().filter(|port| !is_port(port)) {
        let field = if from == Version::V1Alpha1 { "destination.port" } else { "spec.destination.port" };
        return Err(ConversionError::field(field, port, "a port, 1 to 65535"));
    }
    park(parked, PORTS, ports);
    // That has no effect, so what doesn't fit is nobody's loss.
    give(spec, unused.unwrap_or_default());
    Ok(())
}

pub(super) fn from_stored(to: Version, object: &mut Object, parked: &mut Parked) {
    if to > Version::V1Alpha2 {
        return;
    }
    if let Some(spec) = spec(object) {
        let unused = take(spec);
        let left = give(spec, parked.remove(PORTS).unwrap_or_default());
        park(parked, PORTS, Ports { destination: left, sources: Vec::new() });
        park(parked, UNUSED_PORTS, unused);
    }
    if to == Version::V1Alpha1 {
        unwrap(object, &FLAT);
    }
}

fn is_port(port: &Value) -> bool {
    port.as_u64().is_some_and(|port| (1..=u64::from(u16::MAX)).contains(&port))
}

fn park(parked: &mut Parked, name: &str, ports: Ports) {
    if let Some(value) = serde_json::to_value(&ports).ok().filter(|_| ports != Ports::default()) {
        parked.insert(name, value);
    }
}

/// Takes all ports off the subjects.
fn take(spec: &mut Map<String, Value>) -> Ports {
    let port = |subject: &mut Value| {
        let subject = subject.as_object_mut()?;
        subject.get("port").is_some_and(|port| !port.is_null()).then(|| subject.remove("port")).flatten()
    };
    let destination = spec.get_mut("destination").and_then(port);
    let sources = list(spec, "sources").iter_mut().enumerate();
    let sources = sources.filter_map(|(index, source)| {
        let port = port(source)?;
        Some(SourcePort { index, subject: source.clone(), port })
    });
    let sources = sources.collect();
    Ports { destination, sources }
}

/// Gives ports to the subjects that they belong to; returns the destination's, if there is none.
fn give(spec: &mut Map<String, Value>, ports: Ports) -> Option<Value> {
    let records = ports.sources.into_iter().map(|source| (source.index, source)).collect();
    let sources = list(spec, "sources");
    let given = pair(records, sources, |record, source| record.subject == *source);
    for (source, record) in sources.iter_mut().zip(given) {
        if let (Some(source), Some(record)) = (source.as_object_mut(), record) {
            source.insert("port".to_owned(), record.port);
        }
    }
    let port = ports.destination?;
    match spec.get_mut("destination").and_then(Value::as_object_mut) {
        Some(destination) => {
            destination.insert("port".to_owned(), port);
            None
        }
        None => Some(port),
    }
}
