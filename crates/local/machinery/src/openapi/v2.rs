//! An OpenAPI v2 document without any kind. kubectl reads one, and only as protobuf, before it applies a `kind: List`; what it finds
//! no schema for it leaves to the server, whose own (`fieldValidation`) says more.

use serde_json::{Value, json};

use super::TITLE;

/// The media type that kubectl asks for, and what it is answered: no media type may hold an `@`, and kubectl knows that of answers.
pub const ASKED: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
/// The same as it should be.
pub const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// As JSON.
#[must_use]
pub fn document() -> Value {
    json!({ "swagger": "2.0", "info": { "title": TITLE, "version": "v1" }, "paths": {} })
}

/// As `openapi.v2.Document` of gnostic: `swagger` is its field 1, `info` (`title` 1, `version` 2) its field 2, `paths` its field 8.
#[must_use]
pub fn protobuf() -> Vec<u8> {
    let info = [field(1, TITLE.as_bytes()), field(2, b"v1")].concat();
    [field(1, b"2.0"), field(2, &info), field(8, b"")].concat()
}

/// A length-delimited field; tag and length are one byte each, for all here are short.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut all = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap_or_default()];
    all.extend_from_slice(bytes);
    all
}
