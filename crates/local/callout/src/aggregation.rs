//! Aggregated APIs: the server behind an APIService answers in the API server's place.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use isthmus_local_machinery::status::ApiError;
use serde_json::Value;

use crate::callout::Callout;
use crate::forward::{Body, BoxError, forward};
use crate::target::{Place, ServiceReference, bundle};
use crate::tls::{ClientCertificate, Trust, client_config};
use crate::user::User;

const REMOTE_USER: HeaderName = HeaderName::from_static("x-remote-user");
const REMOTE_GROUP: HeaderName = HeaderName::from_static("x-remote-group");
const REMOTE_EXTRA: &str = "x-remote-extra-";

/// The state and the reason of an APIService's `Available` condition; when it changed is for the caller to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Availability {
    /// Does it answer?
    pub available: bool,
    /// `Passed`, `Local`, `ServiceNotFound` or `FailedDiscoveryCheck`.
    pub reason: &'static str,
    /// For a human.
    pub message: String,
}

/// The Service behind an APIService, or none when the API server itself serves it.
pub fn backend(api_service: &Value) -> Option<ServiceReference> {
    api_service.pointer("/spec/service").and_then(|reference| ServiceReference::parse(reference).ok())
}

impl Callout {
    /// Passes a request on to the Service of an APIService, in the name of `user`, with the front-proxy certificate. Path
    /// and query stay as they are. Both bodies stream, and upgrades pass.
    ///
    /// # Errors
    /// 503 when the backend can't be reached, or is not whom its `caBundle` says.
    pub async fn aggregate<B>(
        &self,
        api_service: &Value,
        front_proxy: &ClientCertificate,
        user: &User,
        mut request: Request<B>,
    ) -> Result<Response<Body>, ApiError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let unreachable = |why: String| ApiError::service_unavailable(format!("error trying to reach service: {why}"));
        let service = backend(api_service)
            .ok_or_else(|| unreachable("the APIService names no Service: set spec.service".to_owned()))?;
        let insecure = api_service.pointer("/spec/insecureSkipTLSVerify").and_then(Value::as_bool) == Some(true);
        let pem = api_service.get("spec").map(bundle).transpose().map_err(|e| unreachable(format!("caBundle: {e}")))?;
        let pem = pem.unwrap_or_default();
        let trust = if insecure { Trust::Anyone } else { Trust::Bundle(&pem) };
        set_remote_headers(request.headers_mut(), user).map_err(unreachable)?;
        self.pass_on(&service, &trust, front_proxy, request).await.map_err(unreachable)
    }

    /// Asks an APIService's backend whether it is there: any 2xx to `GET /apis/<group>/<version>` will do. As in the real
    /// aggregator the certificate is not checked here; a wrong one shows when it is used.
    pub async fn probe(&self, api_service: &Value, front_proxy: &ClientCertificate) -> Availability {
        let unavailable = |reason, message| Availability { available: false, reason, message };
        if api_service.pointer("/spec/service").is_none_or(Value::is_null) {
            let message = "Local APIServices are always available".to_owned();
            return Availability { available: true, reason: "Local", message };
        }
        let Some(service) = backend(api_service) else {
            return unavailable("ServiceNotFound", "spec.service names no Service and port".to_owned());
        };
        let text = |pointer| api_service.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let path = match text("/spec/group") {
            "" => format!("/api/{}", text("/spec/version")),
            group => format!("/apis/{group}/{}", text("/spec/version")),
        };
        if self.services.resolve(&service.namespace, &service.name, service.port).is_none() {
            let message =
                format!("service/{} in {:?} is not present, or nobody serves it", service.name, service.namespace);
            return unavailable("ServiceNotFound", message);
        }
        let user = User {
            name: "system:kube-aggregator".to_owned(),
            groups: vec!["system:masters".to_owned()],
            ..User::default()
        };
        let asked = async {
            let mut request = Request::get(&path)
                .body(Empty::<Bytes>::new().map_err(|never| match never {}))
                .map_err(|error| error.to_string())?;
            set_remote_headers(request.headers_mut(), &user)?;
            let response = self.pass_on(&service, &Trust::Anyone, front_proxy, request).await?;
            match response.status() {
                status if status.is_success() => Ok(()),
                status => Err(format!("bad status: {}", status.as_u16())),
            }
        };
        let outcome = tokio::time::timeout(self.limits.probe, asked).await;
        match outcome.unwrap_or_else(|_| Err(crate::https::DEADLINE.to_owned())) {
            Ok(()) => Availability { available: true, reason: "Passed", message: "all checks passed".to_owned() },
            Err(why) => {
                let url = format!("https://{}:{}{path}", service.host(), service.port);
                unavailable("FailedDiscoveryCheck", format!("failing or missing response from {url}: {why}"))
            }
        }
    }

    async fn pass_on<B>(
        &self,
        service: &ServiceReference,
        trust: &Trust<'_>,
        front_proxy: &ClientCertificate,
        mut request: Request<B>,
    ) -> Result<Response<Body>, String>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let config = client_config(trust, Some(front_proxy)).map_err(|error| error.to_string())?;
        let addr = self.locate(&Place::Service(service.clone())).await?;
        let host = service.host();
        let sender = self.connect(addr, &host, config).await?;
        let authority =
            HeaderValue::from_str(&format!("{host}:{}", service.port)).map_err(|error| error.to_string())?;
        request.headers_mut().insert(HOST, authority);
        forward(sender, request, self.limits.head).await
    }
}

/// Says who the user is. What the client itself said under these names is taken out, or anybody could be anyone; so are
/// its credentials and impersonation, which the API server has already judged.
fn set_remote_headers(headers: &mut HeaderMap, user: &User) -> Result<(), String> {
    let ours = |name: &HeaderName| name.as_str().starts_with("x-remote-") || name.as_str().starts_with("impersonate-");
    let inbound: Vec<HeaderName> = headers.keys().filter(|name| ours(name)).cloned().collect();
    for name in inbound.into_iter().chain([AUTHORIZATION]) {
        headers.remove(name);
    }
    let value =
        |text: &str| HeaderValue::from_str(text).map_err(|_| "the user's name can't be put in a header".to_owned());
    headers.insert(REMOTE_USER, value(&user.name)?);
    for group in &user.groups {
        headers.append(REMOTE_GROUP, value(group)?);
    }
    for (key, values) in &user.extra {
        let name = format!("{REMOTE_EXTRA}{}", escape(&key.to_lowercase()));
        let name: HeaderName = name.parse().map_err(|_| "the user's extra key can't be put in a header".to_owned())?;
        for text in values {
            headers.append(name.clone(), value(text)?);
        }
    }
    Ok(())
}

/// Percent-encodes what a header name can't hold, and `%` itself.
fn escape(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte);
    key.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests;
