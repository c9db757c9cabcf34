//! Names of trust domains that a person could take for each other.
//!
//! For programs two names are equal or not, and nothing here changes that. But it is people who write peers, grants and
//! invitations: a mesh that calls itself `acme-1.local` beside a peer `acmel.local` wants to be mistaken for it.

use isthmus_core::id::{MAX_TRUST_DOMAIN, TrustDomain};

/// Could a person take these two different names for one another? Then a mesh can't have both as peers.
///
/// Names are alike when they have the same skeleton: `.`, `-` and `_` are left out, `0` is read as `o`, `1` and `i` as `l`, `rn`
/// as `m`, and `vv` as `w`. Between two digits a separator is kept, all three as one: numbered meshes (`m1-12`, `m11-2`)
/// are told apart by it. So a few honest names are refused (`mail`, `mall`); one of them has to be another.
pub fn confusable(a: &TrustDomain, b: &TrustDomain) -> bool {
    a != b && likeness(a) == likeness(b)
}

/// What all names that could be taken for this one have in common: their skeleton.
pub fn likeness(domain: &TrustDomain) -> String {
    let name = domain.as_str();
    let mut skeleton = String::with_capacity(name.len());
    let (mut last, mut separated) = (' ', false);
    for letter in name.chars() {
        if matches!(letter, '.' | '-' | '_') {
            separated = true;
            continue;
        }
        if separated && last.is_ascii_digit() && letter.is_ascii_digit() {
            skeleton.push('-');
        }
        skeleton.push(match letter {
            '0' => 'o',
            '1' | 'i' => 'l',
            other => other,
        });
        (last, separated) = (letter, false);
    }
    skeleton.replace("rn", "m").replace("vv", "w")
}

/// What is wrong with a text as the trust domain of a peer, and what to write instead. [`TrustDomain`] is laxer: it
/// allows all names that the standard does, stray dots among them.
pub fn trust_domain_fault(raw: &str) -> Option<String> {
    if raw.is_empty() {
        return Some("it is empty; write the peer's trust domain, such as west.local".to_owned());
    }
    if raw.len() > MAX_TRUST_DOMAIN {
        return Some(format!("it has {} bytes; at most {MAX_TRUST_DOMAIN} are allowed", raw.len()));
    }
    if let Some(odd) = raw.chars().find(|c| !c.is_ascii_graphic()) {
        let code = u32::from(odd);
        return Some(format!(
            "it has the character U+{code:04X}, which may look like another; write a-z, 0-9, '.' and '-' only"
        ));
    }
    if raw.contains("://") || raw.contains('/') {
        return Some("it is an address; write the trust domain alone, without spiffe:// and path".to_owned());
    }
    if raw.bytes().any(|b| b.is_ascii_uppercase()) {
        return Some(format!("it has upper-case letters; trust domains are lower-case: {}", raw.to_ascii_lowercase()));
    }
    if let Err(invalid) = TrustDomain::new(raw) {
        return Some(invalid.to_string());
    }
    if raw.split('.').any(str::is_empty) {
        return Some(
            "it has a dot at its beginning or end, or two in a row; single dots separate its labels".to_owned(),
        );
    }
    let edge = |label: &str| label.starts_with(['-', '_']) || label.ends_with(['-', '_']);
    raw.split('.').any(edge).then(|| "a label of it begins or ends with '-' or '_'; letters and digits must".to_owned())
}

#[cfg(test)]
mod tests;
