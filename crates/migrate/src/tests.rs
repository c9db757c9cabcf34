//! Vectors by origin, and what must hold of any input.

mod export;
mod gateway;
mod linkerd;
mod never_wider;
mod others;
mod smi;

use serde_json::Value;

use super::*;

/// Translates a text, and gives the objects and the fields that are left out in part, and those for which an object is.
fn translated(from: From, yaml: &str) -> (Vec<Value>, Vec<String>) {
    let outcome = migrate(&read("f", yaml).unwrap(), from).unwrap();
    let left = outcome.findings.iter().filter(|f| f.left_out != Extent::Note);
    let left = left.map(|f| format!("{:?} {}", f.left_out, f.field)).collect();
    (outcome.objects, left)
}

/// The same, of what has one object and nothing left out.
fn whole(from: From, yaml: &str) -> Value {
    let (mut objects, left) = translated(from, yaml);
    assert_eq!((objects.len(), left), (1, vec![]), "{objects:#?}");
    objects.remove(0)
}
