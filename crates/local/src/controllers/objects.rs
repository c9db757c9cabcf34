//! Small things that several controllers ask of objects and of the API.

use k8s_openapi::api::core::v1::{Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use kube::api::ListParams;
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;

/// The reference to an object in those that it controls, which its foreground deletion waits for.
pub(super) fn owner<K: Resource<DynamicType = ()>>(object: &K) -> Option<Vec<OwnerReference>> {
    let owner = object.controller_owner_ref(&())?;
    Some(vec![OwnerReference { block_owner_deletion: Some(true), ..owner }])
}

/// Whether the object with this UID is the controller of the one with these metadata.
pub(super) fn is_controlled_by(metadata: &ObjectMeta, uid: &str) -> bool {
    metadata.owner_references.iter().flatten().any(|owner| owner.controller == Some(true) && owner.uid == uid)
}

/// The condition `Ready`, if it is true.
pub(super) fn ready(pod: &Pod) -> Option<&PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Whether a pod's containers have all ended for good.
pub(super) fn is_terminal(pod: &Pod) -> bool {
    matches!(pod.status.as_ref().and_then(|status| status.phase.as_deref()), Some("Succeeded" | "Failed"))
}

/// A selector as a query; none selects nothing.
pub(super) fn query(selector: &LabelSelector) -> Result<ListParams, Error> {
    let selector: kube::core::Selector =
        selector.clone().try_into().map_err(|error| Error::InvalidObject(format!("spec.selector: {error}")))?;
    if selector.selects_all() {
        return Err(Error::InvalidObject("spec.selector: it selects nothing; name labels".into()));
    }
    Ok(ListParams::default().labels_from(&selector))
}

/// Everything that matches, page after page.
pub(super) async fn list<K>(api: &Api<K>, params: ListParams) -> Result<Vec<K>, kube::Error>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut params = params.limit(500);
    let mut found = Vec::new();
    loop {
        let page = api.list(&params).await?;
        found.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(found),
        }
    }
}

/// Makes "there is one already", "it is gone" and the like a part of the answer.
pub(super) fn unless<T>(code: u16, result: Result<T, kube::Error>) -> Result<Option<T>, kube::Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(kube::Error::Api(status)) if status.code == code => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether two values read the same on the wire, where absent, null and empty are one.
pub(super) fn same<T: Serialize>(one: &T, other: &T) -> bool {
    match (serde_json::to_value(one), serde_json::to_value(other)) {
        (Ok(one), Ok(other)) => stripped(one, false) == stripped(other, false),
        _ => false,
    }
}

/// The same of two statuses, where a count of zero is absent, too.
pub(super) fn same_status<T: Serialize>(one: &T, other: &Option<T>) -> bool {
    match (serde_json::to_value(one), serde_json::to_value(other)) {
        (Ok(one), Ok(other)) => stripped(one, true) == stripped(other, true),
        _ => false,
    }
}

fn stripped(value: serde_json::Value, zeros: bool) -> serde_json::Value {
    use serde_json::Value;
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Number(number) => zeros && number.as_i64() == Some(0),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, stripped(value, zeros)));
            Value::Object(fields.filter(|(_, value)| !empty(value)).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(|item| stripped(item, zeros)).collect()),
        value => value,
    }
}

/// A short name for a content, in the letters of generated names.
pub(super) fn short_hash(content: &impl Serialize) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let text = serde_json::to_vec(content).unwrap_or_default();
    let mut hash = text
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let count = LETTERS.len() as u64;
    (0..10)
        .filter_map(|_| {
            let letter = LETTERS.get(usize::try_from(hash % count).ok()?)?;
            hash /= count;
            Some(char::from(*letter))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn absent_null_and_empty_are_one() {
        let full = json!({ "a": 1, "b": null, "c": [], "d": { "e": {} }, "f": [{ "g": null }] });
        assert!(same(&full, &json!({ "a": 1, "f": [{}] })));
        assert!(!same(&full, &json!({ "a": 2, "f": [{}] })));
        assert!(!same(&json!({ "a": 0 }), &json!({})), "a number is never nothing");
        assert!(same::<Value>(&json!(null), &json!(null)));
        assert!(same_status(&json!({ "a": 0, "b": { "c": 0 } }), &Some(json!({}))));
        assert!(!same_status(&json!({ "a": 0 }), &Some(json!({ "a": 1 }))));
    }

    #[test]
    fn names_of_contents_are_short_and_differ() {
        let (one, other) = (short_hash(&json!({ "a": 1 })), short_hash(&json!({ "a": 2 })));
        assert_eq!(one, short_hash(&json!({ "a": 1 })));
        assert_ne!(one, other);
        assert_eq!(one.len(), 10);
        assert!(one.bytes().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit()));
    }

    #[test]
    fn selectors_become_queries_unless_they_select_all() {
        let selector = |value: Value| query(&serde_json::from_value(value).unwrap());
        let params = selector(json!({ "matchLabels": { "a": "b" },
            "matchExpressions": [{ "key": "c", "operator": "In", "values": ["d", "e"] }] }));
        let text = params.unwrap().label_selector.unwrap();
        assert!(text.contains("a=b") && text.contains("c in (d,e)"), "{text}");
        assert!(selector(json!({})).is_err());
        assert!(selector(json!({ "matchExpressions": [{ "key": "c", "operator": "Odd" }] })).is_err());
    }
}
