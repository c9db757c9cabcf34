//! CustomResourceDefinitions: their names, their conditions, their end.

mod cleanup;
mod names;
mod warn;

pub(crate) use cleanup::{FINALIZER, after_custom_object, clean_up};
pub(crate) use names::{prepare, reconsider};
pub(crate) use warn::warn;

/// The store's name of the definitions.
pub(crate) const STORAGE: &str = "apiextensions.k8s.io/customresourcedefinitions";
