//! Errors of reads and writes of one object.

use super::{ApiError, Cause, Details};

/// `pods` or `deployments.apps`, split into (group, resource).
fn split(group_resource: &str) -> (&str, &str) {
    group_resource.split_once('.').map_or(("", group_resource), |(resource, group)| (group, resource))
}

fn details(group_resource: &str, name: &str) -> Details {
    let (group, resource) = split(group_resource);
    Details::of(group, resource, name)
}

impl ApiError {
    /// 404 of an object. `group_resource` is `pods` or `deployments.apps`.
    #[must_use]
    pub fn not_found(group_resource: &str, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{group_resource} {name:?} not found"))
            .with_details(details(group_resource, name))
    }

    /// 404 of a path that names no resource.
    #[must_use]
    pub fn no_such_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource").with_details(Details::default())
    }

    /// 409 of a create.
    #[must_use]
    pub fn already_exists(group_resource: &str, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{group_resource} {name:?} already exists"))
            .with_details(details(group_resource, name))
    }

    /// 409 of a write whose resourceVersion is not the stored one.
    #[must_use]
    pub fn conflict(group_resource: &str, name: &str) -> Self {
        const WHY: &str = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict_because(group_resource, name, WHY)
    }

    /// 409 with another cause, as of a failed precondition.
    #[must_use]
    pub fn conflict_because(group_resource: &str, name: &str, why: &str) -> Self {
        Self::new(409, "Conflict", format!("Operation cannot be fulfilled on {group_resource} {name:?}: {why}"))
            .with_details(details(group_resource, name))
    }

    /// 409 of a server-side apply; every cause is a `FieldManagerConflict`.
    #[must_use]
    pub fn apply_conflict(message: String, causes: Vec<Cause>) -> Self {
        Self::new(409, "Conflict", message).with_details(Details { causes, ..Details::default() })
    }

    /// 422: `Kind.group "name" is invalid: field: Invalid value: …`.
    #[must_use]
    pub fn invalid(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Self {
        let group_kind = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let lines: Vec<String> = causes.iter().map(Cause::line).collect();
        let list = match lines.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let mut details = Details::of(group, kind, name);
        details.causes = causes;
        Self::new(422, "Invalid", format!("{group_kind} {name:?} is invalid: {list}")).with_details(details)
    }

    /// 422 of a patch that can't be carried out on the object as it is.
    #[must_use]
    pub fn patch_failed(why: &str) -> Self {
        Self::new(422, "Invalid", format!("the server rejected our request due to an error in our request: {why}"))
            .with_details(Details::default())
    }
}
