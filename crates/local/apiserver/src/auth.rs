//! Who is calling, and what they may do.

pub(crate) mod authenticate;
pub(crate) mod impersonate;
pub(crate) mod rbac;
pub(crate) mod reviews;
pub(crate) mod roles;
pub(crate) mod token;

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub(crate) const MASTERS: &str = "system:masters";
pub(crate) const AUTHENTICATED: &str = "system:authenticated";
pub(crate) const UNAUTHENTICATED: &str = "system:unauthenticated";

/// A caller, as `UserInfo` describes one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
    pub(crate) extra: BTreeMap<String, Vec<String>>,
}

impl User {
    pub(crate) fn anonymous() -> Self {
        Self { name: "system:anonymous".to_owned(), groups: vec![UNAUTHENTICATED.to_owned()], ..Self::default() }
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.name == "system:anonymous"
    }

    pub(crate) fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|have| have == group)
    }

    /// The `authentication.k8s.io/v1` `UserInfo`.
    pub(crate) fn to_info(&self) -> Value {
        let mut info = json!({ "username": self.name });
        let Some(map) = info.as_object_mut() else { return info };
        if !self.uid.is_empty() {
            map.insert("uid".to_owned(), json!(self.uid));
        }
        if !self.groups.is_empty() {
            map.insert("groups".to_owned(), json!(self.groups));
        }
        if !self.extra.is_empty() {
            map.insert("extra".to_owned(), json!(self.extra));
        }
        info
    }
}
