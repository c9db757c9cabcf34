//! HTTPRouteGroup: v1alpha1 and v1alpha2 have no `spec`, and v1alpha1's matches no `headers`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    ConversionError, Object, Version, list,
    parked::{Parked, pair},
    spec, unwrap, wrap,
};

const HEADERS: &str = "headers";
const FLAT: [(&str, &str); 1] = [("matches", "matches")];

/// The headers of a match. The rest of it tells which: by name, or, if there is no such name any more, by what it says.
#[derive(Debug, Serialize, Deserialize)]
struct Headers {
    index: usize,
    of: Map<String, Value>,
    headers: Value,
}

pub(super) fn to_stored(from: Version, object: &mut Object, parked: &mut Parked) -> Result<(), ConversionError> {
    if from <= Version::V1Alpha2 {
        wrap(object, &FLAT);
    }
    if from == Version::V1Alpha1 {
        let records: Option<Vec<Headers>> = parked.demand(HEADERS)?;
        let Some(spec) = spec(object) else { return Ok(()) };
        let matches = list(spec, "matches");
        let records = records.into_iter().flatten().map(|record| (record.index, record)).collect();
        let names: Vec<Value> = matches.iter().filter_map(|found| found.get("name").cloned()).collect();
        let fits = |record: &Headers, found: &Value| {
            let same = |part: &str| record.of.get(part) == found.get(part);
            // Renamed: it would let more in than before if its headers went with the name.
            let gone = record.of.get("name").is_none_or(|name| !names.contains(name));
            same("name") || (gone && same("pathRegex") && same("methods"))
        };
        let given = pair(records, matches, fits);
        for (found, record) in matches.iter_mut().zip(given) {
            if let (Some(found), Some(record)) = (found.as_object_mut(), record) {
                found.entry(HEADERS).or_insert(record.headers);
            }
        }
    }
    Ok(())
}

pub(super) fn from_stored(to: Version, object: &mut Object, parked: &mut Parked) {
    if to == Version::V1Alpha1
        && let Some(spec) = spec(object)
    {
        let matches = list(spec, "matches").iter_mut().enumerate();
        let records = matches.filter_map(|(index, found)| {
            let found = found.as_object_mut()?;
            let headers = found.remove(HEADERS)?;
            Some(Headers { index, of: found.clone(), headers })
        });
        let records: Vec<Headers> = records.collect();
        parked.insert_all(HEADERS, &records);
    }
    if to <= Version::V1Alpha2 {
        unwrap(object, &FLAT);
    }
}
