//! Errors in words for people.

/// What went wrong, and why. What an API server says is told once, in its own words.
pub(crate) fn told(error: &anyhow::Error) -> String {
    let mut parts = Vec::new();
    for cause in error.chain() {
        #[cfg(feature = "views")]
        if let Some(kube::Error::Api(status)) = cause.downcast_ref() {
            parts.push(status.message.clone());
            break;
        }
        parts.push(cause.to_string());
    }
    parts.join(": ")
}

#[cfg(all(test, feature = "views"))]
mod tests {
    use anyhow::Context;
    use kube::core::Status;

    use super::*;

    #[test]
    fn an_api_servers_answer_is_told_once() {
        let status = Status::failure("deployments.apps \"web\" not found", "NotFound").with_code(404);
        let error = Err::<(), _>(kube::Error::Api(Box::new(status))).context("deployments/web").unwrap_err();
        assert_eq!(told(&error), "deployments/web: deployments.apps \"web\" not found");
        assert_eq!(told(&anyhow::anyhow!("why").context("what")), "what: why");
    }
}
