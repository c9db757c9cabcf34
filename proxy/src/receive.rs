//! What a request must be before anything looks at it: after [`receive`], what is matched is what is passed on.

pub(crate) mod authority;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version,
    header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
    uri::PathAndQuery,
};

use crate::{fault::Fault, hop, limits::HEADER_FIELDS, metrics::Direction, path};

/// Identities that other meshes' proxies vouch for. No proxy of this mesh writes them, so an application must not believe them.
const FOREIGN_IDS: [HeaderName; 2] =
    [HeaderName::from_static("l5d-client-id"), HeaderName::from_static("x-forwarded-client-cert")];

/// Puts a request into the one form that it is judged in and passed on in, or says why it can't be: it could be read in two ways, or
/// it is beyond a limit. What was meant for this hop alone is gone afterwards, and so is every identity that the client claims.
pub(crate) fn receive<B>(request: &mut Request<B>, side: Direction) -> Result<(), Fault> {
    if request.headers().len() > HEADER_FIELDS {
        return Err(Fault::HeadTooLarge);
    }
    if is_equivocal(request.headers()) {
        return Err(Fault::BadRequest);
    }
    check_target(request)?;
    check_host(request)?;
    normalise_path(request)?;
    let upgrade = if request.version() == Version::HTTP_2 { None } else { hop::upgrade_of(request.headers()) };
    strip_claims(request.headers_mut(), side);
    hop::strip(request.headers_mut(), upgrade);
    Ok(())
}

/// Could the callee find another end of the request than this proxy has, or another host? So it could with several hosts, with
/// lengths that differ, and with a transfer coding other than chunked, which would be lost on the way.
fn is_equivocal(headers: &HeaderMap) -> bool {
    hop::several(headers, HOST)
        || hop::several(headers, CONTENT_LENGTH)
        || hop::several(headers, TRANSFER_ENCODING)
        || headers.get(TRANSFER_ENCODING).is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
}

/// RFC 9112 §3.2: origin-form or absolute-form; authority-form for CONNECT alone, and `*` for OPTIONS alone.
fn check_target<B>(request: &Request<B>) -> Result<(), Fault> {
    let uri = request.uri();
    let fits = match *request.method() {
        // RFC 8441: what is opened has a path, as in any request.
        Method::CONNECT if hop::opens(request) => uri.path().starts_with('/'),
        Method::CONNECT => uri.authority().is_some_and(|a| a.port_u16().is_some()),
        _ if uri.path() == "*" => *request.method() == Method::OPTIONS,
        // An HTTP/1 target is an address of the web, whatever it names: nothing else is behind this proxy.
        _ if request.version() != Version::HTTP_2 && uri.scheme_str().is_some_and(|s| s != "http" && s != "https") => {
            false
        }
        _ => uri.path().starts_with('/'),
    };
    if fits { Ok(()) } else { Err(Fault::BadRequest) }
}

/// One host, well-formed. HTTP/1.1 must name it; to an older client without one the empty host is given (RFC 9112 §3.2).
fn check_host<B>(request: &mut Request<B>) -> Result<(), Fault> {
    let sound = |host: &HeaderValue| host.is_empty() || authority::is_sound(host.as_bytes());
    if request.uri().authority().is_some_and(|a| !authority::is_sound(a.as_str().as_bytes()))
        || request.headers().get(HOST).is_some_and(|host| !sound(host))
    {
        return Err(Fault::BadRequest);
    }
    if request.uri().authority().is_none() && !request.headers().contains_key(HOST) {
        if request.version() != Version::HTTP_10 {
            return Err(Fault::BadRequest);
        }
        request.headers_mut().insert(HOST, HeaderValue::from_static(""));
    }
    Ok(())
}

fn normalise_path<B>(request: &mut Request<B>) -> Result<(), Fault> {
    let written = match path::normalise(request.uri().path()) {
        Ok(std::borrow::Cow::Borrowed(_)) => return Ok(()),
        Ok(std::borrow::Cow::Owned(written)) => written,
        Err(path::Ambiguous) => return Err(Fault::BadRequest),
    };
    let target = match request.uri().query() {
        Some(query) => format!("{written}?{query}"),
        None => written,
    };
    let target = PathAndQuery::try_from(target).map_err(|_| Fault::BadRequest)?;
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.path_and_query = Some(target);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| Fault::BadRequest)?;
    Ok(())
}

/// Takes away who the client says it is. At the callee that goes for other meshes' ways to say it too.
fn strip_claims(headers: &mut HeaderMap, side: Direction) {
    let foreign = side == Direction::Inbound;
    let claims = |name: &HeaderName| {
        is_form_of(name, &hop::CLIENT_ID) || (foreign && FOREIGN_IDS.iter().any(|id| is_form_of(name, id)))
    };
    if !headers.keys().any(claims) {
        return;
    }
    let found: Vec<HeaderName> = headers.keys().filter(|name| claims(name)).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

/// Is it this name, or one that CGI and its heirs can't tell from it, because `-` and `_` become the same?
pub(crate) fn is_form_of(name: &HeaderName, known: &HeaderName) -> bool {
    let (name, known) = (name.as_str().as_bytes(), known.as_str().as_bytes());
    name.len() == known.len() && name.iter().zip(known).all(|(n, k)| n == k || (*n == b'_' && *k == b'-'))
}

#[cfg(test)]
mod tests;
