//! Kubernetes object machinery with no IO: what an API server does to objects between the wire and its store.
//!
//! Objects are [`serde_json::Value`]s throughout. Time and randomness are arguments.
//! The way of one write: [`decode`] (JSON, YAML) or [`proto`] reads the body; [`schema::Schema::decode`] checks types and drops
//! unknown fields; [`patch`] or [`apply`] changes the live object; [`validation`] defaults and checks built-in kinds, [`schema`]
//! does it for custom ones; [`apply::update`] keeps `metadata.managedFields`. Reads end in [`selector`] and [`table`].

pub mod apply;
pub mod builtin;
pub mod crd;
pub mod decode;
pub mod jsonpath;
pub mod meta;
pub mod openapi;
pub mod patch;
pub mod proto;
pub mod resource;
pub mod schema;
pub mod selector;
pub mod status;
pub mod table;
mod types;
pub mod validation;
