//! Admission webhooks: who is asked, in which order, and what their answers come to.
//!
//! Configurations are taken in the order of their names, their webhooks in the order of the list. Mutating webhooks are
//! asked one after the other, each with the object as the one before left it; those with `reinvocationPolicy: IfNeeded`
//! once more if a later one changed it. Validating ones are asked at the same time.
//!
//! With `matchPolicy: Equivalent` (the default) a webhook whose rules name only another version of the request's kind is
//! asked in that version (see [`Equivalents`]); what it changes is converted back.
//! `matchConditions` (CEL) are not evaluated; [`check`] refuses a configuration that has them.

mod call;
mod check;
mod config;
mod equivalent;
mod patch;
mod review;
mod rules;
mod selector;

use std::sync::Arc;

use serde_json::Value;

pub use check::check;
pub use equivalent::{Convert, Equivalents};
pub(crate) use review::fresh_uid;

use crate::user::User;

/// A group, a version, and a kind or a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versioned {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version: `v1`.
    pub version: String,
    /// The kind (`Pod`) or the resource (`pods`).
    pub name: String,
}

impl Versioned {
    /// A group, a version and a kind or resource.
    pub fn new(group: &str, version: &str, name: &str) -> Self {
        Self { group: group.to_owned(), version: version.to_owned(), name: name.to_owned() }
    }
}

/// What the client wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `CONNECT`: exec, port-forward.
    Connect,
    /// `CREATE`
    Create,
    /// `DELETE`
    Delete,
    /// `UPDATE`: also patches and server-side apply of an object that is there.
    Update,
}

impl Operation {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Create => "CREATE",
            Self::Delete => "DELETE",
            Self::Update => "UPDATE",
        }
    }
}

/// A write that needs admission.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is done.
    pub operation: Operation,
    /// The object's kind.
    pub kind: Versioned,
    /// The resource, by its plural name.
    pub resource: Versioned,
    /// `status`, `scale`…, or empty.
    pub subresource: String,
    /// The object's name; empty when it is still to be generated.
    pub name: String,
    /// The namespace, or empty for a cluster-scoped object.
    pub namespace: String,
    /// The Namespace object of `namespace`, for `namespaceSelector`.
    pub namespace_object: Option<Arc<Value>>,
    /// Who asks.
    pub user: User,
    /// The object as it shall be; none for a deletion.
    pub object: Option<Value>,
    /// The object as it is; none for a creation.
    pub old_object: Option<Arc<Value>>,
    /// Nothing will be stored: only webhooks without side effects are asked.
    pub dry_run: bool,
    /// The `CreateOptions`, `UpdateOptions`, `PatchOptions` or `DeleteOptions` object, or null.
    pub options: Value,
    /// The kind's other versions, for webhooks with `matchPolicy: Equivalent`.
    pub equivalents: Equivalents,
}

/// What admission comes to when it lets the request pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The object as the mutating webhooks left it. They may have done anything to it: it needs defaulting and validation
    /// once more.
    pub object: Option<Value>,
    /// Texts for the client's `Warning` headers; each is at most 256 bytes, and they hold no control characters.
    pub warnings: Vec<String>,
}
