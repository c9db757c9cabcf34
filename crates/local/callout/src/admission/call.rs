//! Asking the webhooks.

use std::borrow::Borrow;
use std::collections::BTreeSet;

use futures::future::join_all;
use isthmus_local_machinery::status::ApiError;
use serde_json::Value;

use super::config::{Webhook, webhooks};
use super::equivalent::View;
use super::{Outcome, Request, patch, review, rules};
use crate::callout::Callout;

impl Callout {
    /// Asks the mutating webhooks of these `MutatingWebhookConfiguration` objects.
    ///
    /// # Errors
    /// The webhook's own code and text when it denies; 500 `failed calling webhook …` when it can't be asked and its
    /// `failurePolicy` is `Fail`; 400 when it must not be asked in a dry run.
    pub async fn mutate(&self, configs: &[impl Borrow<Value>], request: Request) -> Result<Outcome, ApiError> {
        let mut outcome = Outcome { object: request.object.clone(), warnings: Vec::new() };
        if rules::exempt(&request) {
            return Ok(outcome);
        }
        let webhooks = webhooks(configs)?;
        let mut again = Reinvocation::default();
        for (index, webhook) in webhooks.iter().enumerate() {
            if let Some(version) = rules::concerns(webhook, &request, outcome.object.as_ref()) {
                let changed = self.mutate_by(webhook, &request, version, &mut outcome).await?;
                again.asked(index, webhook.reinvoke, changed);
            }
        }
        for (index, webhook) in webhooks.iter().enumerate() {
            if again.wanted.contains(&index)
                && let Some(version) = rules::concerns(webhook, &request, outcome.object.as_ref())
            {
                self.mutate_by(webhook, &request, version, &mut outcome).await?;
            }
        }
        Ok(outcome)
    }

    /// Asks the validating webhooks of these `ValidatingWebhookConfiguration` objects, all at the same time. The first
    /// refusal in their order is the one that counts. Gives their warnings.
    ///
    /// # Errors
    /// As [`Callout::mutate`].
    pub async fn validate(&self, configs: &[impl Borrow<Value>], request: &Request) -> Result<Vec<String>, ApiError> {
        if rules::exempt(request) {
            return Ok(Vec::new());
        }
        let webhooks = webhooks(configs)?;
        let object = request.object.as_ref();
        let concerned =
            webhooks.iter().filter_map(|webhook| Some((webhook, rules::concerns(webhook, request, object)?)));
        let ask = |(webhook, version)| async move {
            let view = View::of(request, version, object).await?;
            match self.ask(webhook, request, &view, false).await {
                Ok(response) => Ok(response.warnings),
                Err(refusal) => refusal.unless_open(webhook).map(|()| Vec::new()),
            }
        };
        let answers = join_all(concerned.map(ask)).await;
        let warnings: Vec<Vec<String>> = answers.into_iter().collect::<Result<_, _>>()?;
        Ok(warnings.concat())
    }

    /// Asks one webhook; says whether it changed the object.
    async fn mutate_by(
        &self,
        webhook: &Webhook,
        request: &Request,
        version: &str,
        outcome: &mut Outcome,
    ) -> Result<bool, ApiError> {
        let view = View::of(request, version, outcome.object.as_ref()).await?;
        let response = match self.ask(webhook, request, &view, true).await {
            Ok(response) => response,
            Err(refusal) => return refusal.unless_open(webhook).map(|()| false),
        };
        outcome.warnings.extend(response.warnings);
        let patch = match patch::decode(&response.patch) {
            _ if response.patch.is_empty() => return Ok(false),
            Ok(patch) if patch.is_empty() => return Ok(false),
            Ok(patch) => patch,
            Err(error) => {
                let why = format!("received undecodable patch in webhook response: {error}");
                return Refusal::Unreachable(why).unless_open(webhook).map(|()| false);
            }
        };
        let Some(object) = view.object.as_deref() else {
            return Err(ApiError::internal(&format!(
                "admission webhook {:?} attempted to modify the object, which is not supported for this operation",
                webhook.name
            )));
        };
        // As in the real server, a patch that doesn't apply is not a failed call: `failurePolicy: Ignore` does not help.
        let patched = patch::apply(object, &patch).map_err(|error| ApiError::internal(&error))?;
        let changed = patched != *object;
        if changed {
            outcome.object = Some(view.back(request, patched).await?);
        }
        Ok(changed)
    }

    async fn ask(
        &self,
        webhook: &Webhook,
        request: &Request,
        view: &View<'_>,
        mutating: bool,
    ) -> Result<review::Response, Refusal> {
        if request.dry_run && !webhook.without_side_effects {
            let text = format!("admission webhook {:?} does not support dry run", webhook.name);
            return Err(Refusal::Final(ApiError::bad_request(text)));
        }
        let target = webhook.target.as_ref().map_err(|fault| {
            Refusal::Unreachable(format!("could not get REST client: clientConfig.{}: {}", fault.field, fault.detail))
        })?;
        let uid = review::fresh_uid();
        let body = review::request(&uid, request, view);
        let query = format!("timeout={}s", webhook.timeout.as_secs());
        let answer = self.post_json(target, &query, &body, webhook.timeout).await;
        let answer = answer.map_err(|why| Refusal::Unreachable(format!("failed to call webhook: {why}")))?;
        let response = review::response(&uid, mutating, &answer)
            .map_err(|why| Refusal::Unreachable(format!("received invalid webhook response: {why}")))?;
        for (key, value) in &response.annotations {
            tracing::debug!(webhook = webhook.name, key, value, "audit annotation of a webhook");
        }
        if !response.allowed {
            let error = ApiError::webhook_denied(&webhook.name, response.code, response.message.as_deref());
            return Err(Refusal::Final(error));
        }
        Ok(response)
    }
}

/// Why a webhook did not let a request pass.
enum Refusal {
    /// It said so, or must not be asked.
    Final(ApiError),
    /// It gave no answer that counts; `failurePolicy` decides.
    Unreachable(String),
}

impl Refusal {
    fn unless_open(self, webhook: &Webhook) -> Result<(), ApiError> {
        match self {
            Self::Final(error) => Err(error),
            Self::Unreachable(why) if webhook.fail_open => {
                tracing::warn!(webhook = webhook.name, why, "failed calling webhook, failing open");
                Ok(())
            }
            Self::Unreachable(why) => {
                Err(ApiError::internal(&format!("failed calling webhook {:?}: {why}", webhook.name)))
            }
        }
    }
}

/// Which webhooks are asked once more: those that want it (`IfNeeded`) and were asked before another one changed the object.
#[derive(Default)]
struct Reinvocation {
    before: BTreeSet<usize>,
    wanted: BTreeSet<usize>,
}

impl Reinvocation {
    fn asked(&mut self, index: usize, willing: bool, changed: bool) {
        if changed {
            self.wanted.append(&mut self.before);
        }
        if willing {
            self.before.insert(index);
        }
    }
}

#[cfg(test)]
mod tests;
