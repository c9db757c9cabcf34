//! Doors to the parsers of what peers send, for the fuzz targets alone (docs/fuzzing.md).

use http::{HeaderName, HeaderValue, Request, Version, header::CONNECTION};
use isthmus_core::id::ObjectName;

use crate::{
    detect::{
        client_hello::{self, Unread},
        look,
    },
    hop,
    limits::DETECT_BYTES,
    metrics::Direction,
    path,
    receive::receive,
    server_name,
};

const FIELDS: [&str; 11] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-isthmus-client-id",
];

/// What a connection's first bytes are. A decision must not depend on how the bytes were cut into packets.
pub fn first_bytes(bytes: &[u8]) {
    let early = bytes.get(..bytes.len() / 2).unwrap_or_default();
    if bytes.len() < DETECT_BYTES
        && let Some(decided) = look(early)
    {
        assert_eq!(look(bytes), Some(decided));
    }
    match client_hello::parse(early) {
        Err(Unread::Incomplete) => drop(client_hello::parse(bytes)),
        decided => assert_eq!(client_hello::parse(bytes), decided),
    }
}

/// The names sent as SNI for a Service and for a workload: each is a DNS name, or there is none.
pub fn server_names(service: &ObjectName, port: u16, workload: &str, mesh: &str) {
    for name in
        [server_name::of_service(service, port, mesh), server_name::of_workload(workload, mesh)].into_iter().flatten()
    {
        let text = name.to_str();
        assert!(text.len() <= 253 && text.split('.').all(|label| (1..=63).contains(&label.len())), "{text}");
    }
}

/// A request's target and fields, the fields' names as indices; on its way to an HTTP/2 hop or an HTTP/1 one.
pub fn request(target: &str, h2: bool, fields: &[(u8, &[u8])]) {
    let version = if h2 { Version::HTTP_2 } else { Version::HTTP_11 };
    let Ok(mut request) = Request::builder().uri(target).version(version).body(()) else { return };
    for (index, value) in fields {
        let name = FIELDS.get(usize::from(*index) % FIELDS.len()).copied().unwrap_or_default();
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) {
            request.headers_mut().append(name, value);
        }
    }
    if receive(&mut request, Direction::Inbound).is_err() {
        return;
    }
    let matched = hop::as_matched(&request).path.to_owned();
    assert!(matched.split('/').all(|segment| segment != ".."));
    let _ = (path::loosest(&matched), hop::is_grpc(request.headers()));
    assert_eq!(request.headers().contains_key(CONNECTION), hop::upgrade_of(request.headers()).is_some());
    if hop::fit(&mut request).is_ok() {
        assert_eq!(request.uri().path(), matched);
        assert!(request.uri().authority().is_some() || !h2);
    }
}
