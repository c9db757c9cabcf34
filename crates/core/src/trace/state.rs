//! W3C `tracestate`: what other systems keep with a trace. The mesh adds nothing to it, so it is passed on as it came.

use http::{HeaderMap, HeaderName};

pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Most bytes of it that a span carries.
pub const MAX_STATE_BYTES: usize = 512;
/// Most members (W3C §3.3.1.1).
const MAX_MEMBERS: usize = 32;
/// Members that are longer are the first to go (W3C §3.3.1.5).
const LONG_MEMBER: usize = 128;

/// The state as a span carries it: its lines in one, without what is over [`MAX_STATE_BYTES`]. Empty if there is none, or if it
/// can't be read.
pub fn state(headers: &HeaderMap) -> String {
    let mut members = Vec::new();
    for line in headers.get_all(TRACESTATE) {
        let Ok(line) = line.to_str() else { return String::new() };
        members.extend(line.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|m| !m.is_empty()));
    }
    if members.len() > MAX_MEMBERS || !members.iter().all(|member| is_member(member)) {
        return String::new();
    }
    let length = |members: &[&str]| members.iter().map(|m| m.len() + 1).sum::<usize>().saturating_sub(1);
    while length(&members) > MAX_STATE_BYTES {
        match members.iter().rposition(|member| member.len() > LONG_MEMBER) {
            Some(long) => drop(members.remove(long)),
            None => drop(members.pop()),
        }
    }
    members.join(",")
}

/// `key=value` in the characters that the standard allows.
fn is_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else { return false };
    let in_key = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"_-*/@".contains(&c);
    let in_value = |c: u8| (0x20..=0x7e).contains(&c) && c != b',' && c != b'=';
    (1..=256).contains(&key.len())
        && key.bytes().next().is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        && key.bytes().all(in_key)
        && (1..=256).contains(&value.len())
        && value.bytes().all(in_value)
}
