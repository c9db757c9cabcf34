//! On whose behalf we ask.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// An authenticated user, as webhooks and aggregated APIs are told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The name: `system:serviceaccount:default:default`.
    pub name: String,
    /// A unique id, or empty.
    pub uid: String,
    /// The groups that the user is in.
    pub groups: Vec<String>,
    /// What else the authenticator knows.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// As an authentication.k8s.io/v1 `UserInfo`.
    pub(crate) fn to_info(&self) -> Value {
        let mut info = json!({"username": self.name});
        let mut set = |field: &str, value: Value, empty: bool| {
            if let (false, Some(map)) = (empty, info.as_object_mut()) {
                map.insert(field.to_owned(), value);
            }
        };
        set("uid", json!(self.uid), self.uid.is_empty());
        set("groups", json!(self.groups), self.groups.is_empty());
        set("extra", json!(self.extra), self.extra.is_empty());
        info
    }
}
