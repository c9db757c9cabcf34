//! SPIFFE IDs, address prefixes and regular expressions of users; the names sent as SNI.
#![no_main]

use isthmus_core::{
    http_match::{HttpMatch, HttpMatchSpec, HttpRequest},
    id::{ObjectName, SpiffeId},
    inbound::Cidr,
};
use isthmus_proxy::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let (text, path) = input;
    if let Ok(id) = SpiffeId::parse_lenient(text) {
        assert_eq!(id.as_str().parse::<SpiffeId>().as_ref(), Ok(&id));
    }
    fuzzing::server_names(&ObjectName::new(text, path), 80, text, path);
    let _ = text.parse::<Cidr>();
    let spec = HttpMatchSpec { path_regex: Some(text.to_owned()), ..HttpMatchSpec::default() };
    if let Ok(compiled) = HttpMatch::compile(spec) {
        compiled.matches(HttpRequest { method: "GET", path, authority: "", headers: &http::HeaderMap::new() });
    }
});
