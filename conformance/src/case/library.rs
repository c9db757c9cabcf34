//! The cases that are part of the program.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{App, Case, Check, Demand, Source, Step};
use crate::{Error, yaml};

include!(concat!(env!("OUT_DIR"), "/cases.rs"));

/// Every case of the suite, by id.
///
/// # Errors
/// A file isn't a case. The suite's own tests hold that this can't be.
pub fn all() -> Result<Vec<Case>, Error> {
    CASES.iter().map(|(id, text)| read(id, text)).collect()
}

/// Reads a case of the suite's own.
pub(super) fn read(id: &str, text: &str) -> Result<Case, Error> {
    read_from(&format!("case {id}"), id, text)
}

/// Reads a case from a file of this name.
pub(super) fn read_from(file: &str, id: &str, text: &str) -> Result<Case, Error> {
    let case: Case = yaml::read(text).map_err(|why| Error::Data { file: file.to_owned(), why: placed(text, why) })?;
    Ok(Case { id: id.to_owned(), ..case })
}

/// What is wrong with the text of a case, with the place in it. Serde says what it would have taken, and not where.
fn placed(text: &str, why: String) -> String {
    let Ok(Value::Object(fields)) = yaml::read::<Value>(text) else { return why };
    let list = |name: &str| fields.get(name).and_then(Value::as_array).into_iter().flatten().enumerate();
    let apps = fields.get("apps").and_then(Value::as_object).into_iter().flatten();
    let apps = apps.map(|(name, app)| fault::<App>(format!("apps.{name}"), app));
    let demand = fields.get("demand").map(|demand| fault::<Demand>("demand".to_owned(), demand));
    let source = fields.get("source").map(|source| fault::<Source>("source".to_owned(), source));
    let steps = list("steps").map(|(number, step)| {
        let at = format!("steps[{number}]");
        let checks = step.get("expect").and_then(Value::as_array).into_iter().flatten().enumerate();
        let mut checks = checks.filter_map(|(n, check)| fault::<Check>(format!("{at}.expect[{n}]"), check));
        checks.next().or_else(|| fault::<Step>(at.clone(), step))
    });
    let places = apps.chain(demand).chain(source).chain(steps);
    places.flatten().next().unwrap_or(why)
}

fn fault<T: DeserializeOwned>(at: String, value: &Value) -> Option<String> {
    serde_json::from_value::<T>(value.clone()).err().map(|error| format!("{at}: {error}"))
}
