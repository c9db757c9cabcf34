//! What a kind is called and what can be done with it: one shape for built-in and custom kinds.

/// One subresource of a kind, as discovery lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subresource {
    /// `status`, `scale`, `log`…
    pub name: String,
    /// Group of its own kind (`autoscaling` for scale).
    pub group: String,
    /// Version of its own kind.
    pub version: String,
    /// Kind of its bodies (`Scale`, `TokenRequest`; the parent's for status).
    pub kind: String,
    /// Verbs that it takes.
    pub verbs: Vec<String>,
}

/// A kind at one group and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: String,
    /// Version within the group.
    pub version: String,
    /// Kind of one object.
    pub kind: String,
    /// Kind of a list.
    pub list_kind: String,
    /// Name in paths.
    pub plural: String,
    /// Lower-case singular.
    pub singular: String,
    /// `po`, `svc`…
    pub short_names: Vec<String>,
    /// `all`…
    pub categories: Vec<String>,
    /// Objects live in namespaces.
    pub namespaced: bool,
    /// Sorted by name.
    pub subresources: Vec<Subresource>,
    /// `get`, `list`, `watch`, `create`… Only `create` for reviews.
    pub verbs: Vec<String>,
}

impl Resource {
    /// `v1` or `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `pods` or `deployments.apps`, as error texts name it.
    #[must_use]
    pub fn group_resource(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// The subresource of this name.
    #[must_use]
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|sub| sub.name == name)
    }

    /// Whether status is written apart from the rest.
    #[must_use]
    pub fn has_status(&self) -> bool {
        self.subresource("status").is_some()
    }

    /// Whether the verb (`list`, `patch`…) is offered.
    #[must_use]
    pub fn allows(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }

    /// Objects of this kind are answered at once and never stored (reviews).
    #[must_use]
    pub fn create_only(&self) -> bool {
        self.verbs.len() == 1 && self.allows("create")
    }
}
