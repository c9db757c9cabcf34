//! The cases that are part of the program.

use super::Case;
use crate::{Error, yaml};

include!(concat!(env!("OUT_DIR"), "/cases.rs"));

/// Every case of the suite, by id.
///
/// # Errors
/// A file isn't a case. The suite's own tests hold that this can't be.
pub fn all() -> Result<Vec<Case>, Error> {
    CASES.iter().map(|(id, text)| read(id, text)).collect()
}

/// Reads a case.
pub(super) fn read(id: &str, text: &str) -> Result<Case, Error> {
    let case: Case = yaml::read(text).map_err(|why| Error::Data { file: format!("case {id}"), why })?;
    Ok(Case { id: id.to_owned(), ..case })
}
