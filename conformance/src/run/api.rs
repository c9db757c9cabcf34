//! Requests of a case to the API server.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::scene::Scene;
use crate::{Error, case::ApiCall, manifest};

const BETWEEN_TRIES: Duration = Duration::from_millis(250);

impl Scene<'_> {
    /// Sends it. What isn't as expected is the inner text.
    pub(super) async fn api(&self, call: &ApiCall) -> Result<Option<String>, Error> {
        let path = call.path.replace("$(namespace)", &self.namespace);
        let body = call.body.as_ref().map(|body| manifest::substituted(body, &self.namespace));
        let deadline = Instant::now() + self.timeout();
        loop {
            let (status, answer) = self.cluster.raw(&call.method, &path, body.as_ref()).await?;
            let Some(wrong) = wrong(call, status, &answer, &self.namespace) else { return Ok(None) };
            // Another request than GET changes something, and is sent once.
            if call.method != "GET" || Instant::now() >= deadline {
                return Ok(Some(format!("{} {path}: {wrong}; it said {status} {answer}", call.method)));
            }
            sleep(BETWEEN_TRIES).await;
        }
    }
}

/// What isn't as expected, if anything.
fn wrong(call: &ApiCall, status: u16, answer: &Value, namespace: &str) -> Option<String> {
    if !call.status.contains(&status) {
        return Some(format!("status {status} in place of {:?}", call.status));
    }
    let has = call.has.iter().find_map(|(pointer, asked)| {
        let (asked, seen) = (manifest::substituted(asked, namespace), answer.pointer(pointer));
        let missing = || seen.map_or_else(|| "nothing".to_owned(), Value::to_string);
        (seen != Some(&asked)).then(|| format!("{} at {pointer} in place of {asked}", missing()))
    });
    let hasnt = || call.hasnt.iter().find_map(|pointer| Some(format!("{} at {pointer}", answer.pointer(pointer)?)));
    has.or_else(hasnt)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_as_expected_is_told() {
        let call: ApiCall =
            crate::yaml::read("{ path: /x, has: { /spec/a: $(namespace) }, hasnt: [/spec/b] }").unwrap();
        let told = |status, answer| wrong(&call, status, &answer, "ns");
        assert_eq!(told(200, json!({ "spec": { "a": "ns" } })), None);
        assert_eq!(told(404, json!({})).unwrap(), "status 404 in place of [200, 201]");
        assert_eq!(told(200, json!({ "spec": {} })).unwrap(), "nothing at /spec/a in place of \"ns\"");
        assert_eq!(told(200, json!({ "spec": { "a": "ns", "b": 1 } })).unwrap(), "1 at /spec/b");
    }
}
