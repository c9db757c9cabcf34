//! Fields that belong to one hop (RFC 9110 §7.6.1) and the mesh's own fields.

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Version,
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
        SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};
use http_body::Frame;
use isthmus_core::{
    broken::{self, Fault},
    deny::DenyCode,
    http_match::HttpRequest,
};

use crate::receive::is_form_of;

/// Tells the callee who calls. Only the callee's own proxy writes it.
pub(crate) const CLIENT_ID: HeaderName = HeaderName::from_static("x-isthmus-client-id");
/// Why a request was denied.
pub(crate) const DENY: HeaderName = HeaderName::from_static("x-isthmus-deny");
/// Why the proxy couldn't pass a request on.
pub(crate) const ERROR: HeaderName = HeaderName::from_static("x-isthmus-error");

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// End-to-end fields that `Connection` can't name away (RFC 9110 §7.6.1): what others rely on to know whom a message is for, from
/// whom it is and where it ends.
const FIRM: [HeaderName; 6] = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, AUTHORIZATION, COOKIE, CLIENT_ID];
/// Fields that mean nothing, or harm, behind a body (RFC 9110 §6.5.1).
const NO_TRAILERS: [HeaderName; 14] = [
    AUTHORIZATION,
    CONNECTION,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    COOKIE,
    HOST,
    KEEP_ALIVE,
    PROXY_AUTHORIZATION,
    PROXY_CONNECTION,
    SET_COOKIE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Fields of one hop.
const HOP: [HeaderName; 8] =
    [CONNECTION, TRANSFER_ENCODING, TE, UPGRADE, KEEP_ALIVE, PROXY_CONNECTION, HTTP2_SETTINGS, PROXY_AUTHENTICATE];

/// The protocol that an HTTP/1.1 request wants to change to, if it may: every one but HTTP itself, for on an h2c connection nothing
/// would be judged by request any more.
pub(crate) fn upgrade_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let wanted = headers.get(UPGRADE)?;
    let asked = names(headers, CONNECTION).any(|n| n.eq_ignore_ascii_case(b"upgrade"));
    let http = |protocol: &[u8]| {
        let name = protocol.split(|b| *b == b'/').next().unwrap_or_default().trim_ascii();
        [&b"h2c"[..], b"h2", b"http"].iter().any(|own| name.eq_ignore_ascii_case(own))
    };
    (asked && !several(headers, UPGRADE) && !wanted.as_bytes().split(|b| *b == b',').any(http)).then(|| wanted.clone())
}

/// Does it ask for another protocol on one HTTP/2 stream (RFC 8441), as WebSocket does?
pub(crate) fn opens<B>(request: &Request<B>) -> bool {
    request.extensions().get::<hyper::ext::Protocol>().is_some()
}

/// Takes away what was meant for this hop alone. `upgrade` is put back: it is passed on.
pub(crate) fn strip(headers: &mut HeaderMap, upgrade: Option<HeaderValue>) {
    // Most messages have none of these: one look is cheaper than a search for each.
    if upgrade.is_none() && !headers.keys().any(|name| HOP.contains(name)) {
        return;
    }
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> =
            names(headers, CONNECTION).filter_map(|n| HeaderName::from_bytes(n).ok()).collect();
        for name in named {
            if name != TE && !FIRM.contains(&name) {
                headers.remove(name);
            }
        }
        headers.remove(CONNECTION);
    }
    // The next hop frames the body anew; a length beside chunks could only contradict them (RFC 9112 §6.3).
    if headers.remove(TRANSFER_ENCODING).is_some() {
        headers.remove(CONTENT_LENGTH);
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, UPGRADE, HTTP2_SETTINGS, PROXY_AUTHENTICATE] {
        headers.remove(name);
    }
    if headers.contains_key(TE) {
        let trailers = names(headers, TE).any(|n| n.eq_ignore_ascii_case(b"trailers"));
        headers.remove(TE);
        if trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
    }
    if let Some(protocol) = upgrade {
        headers.insert(UPGRADE, protocol);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// A frame of a body as it is passed on.
pub(crate) fn clean<D>(mut frame: Frame<D>) -> Frame<D> {
    if let Some(trailers) = frame.trailers_mut() {
        strip_trailers(trailers);
    }
    frame
}

/// Takes away what trailers can't say: framing, routing, credentials, and who the client is.
fn strip_trailers(trailers: &mut HeaderMap) {
    let unfit = |name: &HeaderName| NO_TRAILERS.contains(name) || is_form_of(name, &CLIENT_ID);
    let found: Vec<HeaderName> = trailers.keys().filter(|name| unfit(name)).cloned().collect();
    for name in found {
        trailers.remove(name);
    }
}

/// Can an endpoint's answer be read in one way only? Not if it changes the protocol though nobody asked, has a coding other than
/// chunked, which would be lost on the way, or lengths that differ. Equal lengths become one.
pub(crate) fn is_sound_answer<B>(answer: &mut http::Response<B>, upgrade_asked: bool) -> bool {
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS && !upgrade_asked {
        return false;
    }
    let headers = answer.headers_mut();
    let coded = |v: &HeaderValue| !v.as_bytes().eq_ignore_ascii_case(b"chunked");
    if several(headers, TRANSFER_ENCODING) || headers.get(TRANSFER_ENCODING).is_some_and(coded) {
        return false;
    }
    if !headers.contains_key(CONTENT_LENGTH) {
        return true;
    }
    let length = {
        let mut lengths = names(headers, CONTENT_LENGTH);
        let first = lengths.next().filter(|l| !l.is_empty() && l.iter().all(u8::is_ascii_digit));
        let first = first.filter(|first| lengths.all(|length| length == *first));
        first.and_then(|first| HeaderValue::from_bytes(first).ok())
    };
    let Some(length) = length else { return false };
    headers.insert(CONTENT_LENGTH, length);
    true
}

/// What only a proxy needs to see, in explicit mode.
pub(crate) fn strip_proxy_credentials(headers: &mut HeaderMap) {
    headers.remove(PROXY_AUTHORIZATION);
}

/// The elements of a comma-separated field.
fn names(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    headers.get_all(name).iter().flat_map(|v| v.as_bytes().split(|b| *b == b',')).map(<[u8]>::trim_ascii)
}

/// The request as matches see it.
pub(crate) fn as_matched<B>(request: &Request<B>) -> HttpRequest<'_> {
    let host = || request.headers().get(HOST).and_then(|h| h.to_str().ok());
    HttpRequest {
        method: request.method().as_str(),
        path: match request.uri().path_and_query() {
            Some(path) if broken::is(Fault::QueryInPath) => path.as_str(),
            _ => request.uri().path(),
        },
        authority: request.uri().authority().map(http::uri::Authority::as_str).or_else(host).unwrap_or_default(),
        headers: request.headers(),
    }
}

/// Is there more than one line of this field?
pub(crate) fn several(headers: &HeaderMap, name: HeaderName) -> bool {
    headers.get_all(name).iter().nth(1).is_some()
}

/// Makes the request fit the connection that it goes out on. HTTP/1 gets origin-form and a `Host` that is the target's
/// (RFC 9112 §3.2.2); HTTP/2 needs an authority. What was asked for isn't rewritten.
pub(crate) fn fit<B>(request: &mut Request<B>) -> Result<(), http::Error> {
    if request.version() == Version::HTTP_2 {
        if request.uri().authority().is_none() {
            let host = request.headers().get(HOST).map(HeaderValue::as_bytes).unwrap_or_default().try_into()?;
            let mut parts = std::mem::take(request.uri_mut()).into_parts();
            parts.authority = Some(host);
            parts.scheme.get_or_insert(http::uri::Scheme::HTTP);
            *request.uri_mut() = http::Uri::from_parts(parts)?;
        }
        // The authority counts; a `Host` beside it could only contradict.
        request.headers_mut().remove(HOST);
        return Ok(());
    }
    *request.version_mut() = Version::HTTP_11;
    if request.method() == http::Method::CONNECT {
        return Ok(());
    }
    let Some(authority) = request.uri().authority() else { return Ok(()) };
    let host = HeaderValue::from_str(authority.as_str())?;
    request.headers_mut().insert(HOST, host);
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    (parts.scheme, parts.authority) = (None, None);
    parts.path_and_query.get_or_insert(http::uri::PathAndQuery::from_static("/"));
    *request.uri_mut() = http::Uri::from_parts(parts)?;
    Ok(())
}

/// Is it gRPC, whose clients expect a status of their own?
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"application/grpc"))
}

/// The status of a call of gRPC, from its trailers or from a head without them.
pub(crate) fn grpc_status(headers: &HeaderMap) -> Option<u32> {
    headers.get(GRPC_STATUS)?.to_str().ok()?.parse().ok()
}

/// The text that names a denial's reason and remedy.
pub(crate) const fn remedy(code: DenyCode) -> &'static str {
    match code {
        DenyCode::NoIdentity => {
            "denied (no-identity): this workload takes mesh TLS only; give the client a sidecar, or exempt the port with \
             the annotation isthmus.mesh/plaintext-ports"
        }
        DenyCode::NoGrant => "denied (no-grant): no TrafficTarget of this workload names the client as a source",
        DenyCode::Port => "denied (port): TrafficTargets name the client, but none of them for this port",
        DenyCode::Route => {
            "denied (route): no route of the client's TrafficTargets covers this method, path and headers"
        }
        DenyCode::NotExported => "denied (not-exported): no ExportedService offers this port to the client's mesh",
        DenyCode::PolicyPending => "denied (policy-pending): the policy hasn't come from the controller yet; try again",
        _ => "denied",
    }
}

/// Status and fields of an answer that the proxy gives itself.
pub(crate) fn own_head(
    grpc: bool,
    status: StatusCode,
    field: HeaderName,
    code: &'static str,
) -> http::response::Builder {
    let answer = http::Response::builder().header(field, HeaderValue::from_static(code));
    if !grpc {
        return answer.status(status).header(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    }
    // PERMISSION_DENIED, INTERNAL and UNAVAILABLE of the gRPC status codes.
    let grpc_status = match status {
        StatusCode::FORBIDDEN => "7",
        StatusCode::BAD_REQUEST => "13",
        _ => "14",
    };
    answer
        .status(StatusCode::OK)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))
        .header(GRPC_STATUS, HeaderValue::from_static(grpc_status))
        .header("grpc-message", HeaderValue::from_static(code))
}

#[cfg(test)]
mod tests;
