//! `Impersonate-*` headers: acting as somebody else, where one may.

use http::HeaderMap;
use isthmus_local_machinery::status::ApiError;
use isthmus_local_store::Store;

use super::rbac::{self, Action};
use super::{AUTHENTICATED, User};

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA: &str = "impersonate-extra-";

/// The user that the request asks to be, or `user` itself.
pub(crate) fn impersonate(headers: &HeaderMap, user: User, store: &Store) -> Result<User, ApiError> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let name = header(USER);
    let groups: Vec<String> =
        headers.get_all(GROUP).iter().filter_map(|value| value.to_str().ok()).map(str::to_owned).collect();
    if name.is_empty() {
        if groups.is_empty() && header(UID).is_empty() {
            return Ok(user);
        }
        return Err(ApiError::bad_request("requested impersonation without impersonating a user"));
    }
    may(store, &user, "users", &name)?;
    for group in &groups {
        may(store, &user, "groups", group)?;
    }
    let mut target = User { name, uid: header(UID), groups, ..User::default() };
    if let Some((namespace, _)) = target.name.strip_prefix("system:serviceaccount:").and_then(|s| s.split_once(':'))
        && target.groups.is_empty()
    {
        target.groups.push("system:serviceaccounts".to_owned());
        target.groups.push(format!("system:serviceaccounts:{namespace}"));
    }
    if !target.is_anonymous() && !target.in_group(AUTHENTICATED) {
        target.groups.push(AUTHENTICATED.to_owned());
    }
    for (name, value) in headers {
        if let (Some(key), Ok(value)) = (name.as_str().strip_prefix(EXTRA), value.to_str()) {
            may(store, &user, "userextras", key)?;
            target.extra.entry(key.to_owned()).or_default().push(value.to_owned());
        }
    }
    Ok(target)
}

fn may(store: &Store, user: &User, resource: &str, name: &str) -> Result<(), ApiError> {
    let action = Action {
        verb: "impersonate".to_owned(),
        resource: resource.to_owned(),
        name: name.to_owned(),
        ..Action::default()
    };
    match rbac::allowed(store, user, &action) {
        Some(_) => Ok(()),
        None => Err(ApiError::forbidden(resource, name, &action.refusal(user))),
    }
}
