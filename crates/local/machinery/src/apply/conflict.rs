//! The 409 of an apply.

use std::collections::BTreeMap;

use super::managers::Conflict;
use crate::status::{ApiError, Cause};

pub(super) fn error(conflicts: &[Conflict]) -> ApiError {
    let single: Vec<(&str, String)> = conflicts
        .iter()
        .flat_map(|conflict| conflict.fields.paths().into_iter().map(|path| (conflict.owner.as_str(), path)))
        .collect();
    let causes =
        single.iter().map(|(owner, path)| Cause::manager_conflict(path, format!("conflict with {owner}"))).collect();
    let message = match single.as_slice() {
        [(owner, path)] => format!("Apply failed with 1 conflict: conflict with {owner}: {path}"),
        many => {
            let mut by_owner: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (owner, path) in many {
                by_owner.entry(owner).or_default().push(path);
            }
            let mut lines = Vec::new();
            for (owner, paths) in by_owner {
                lines.push(format!("conflicts with {owner}:"));
                lines.extend(paths.iter().map(|path| format!("- {path}")));
            }
            format!("Apply failed with {} conflicts: {}", many.len(), lines.join("\n"))
        }
    };
    ApiError::apply_conflict(message, causes)
}
