//! A route's condition, as matches of which any will do.

use crate::fields::{Blame, Fields};

/// Most alternatives that one condition may become.
const MOST: usize = 64;
/// Conditions in conditions.
const DEPTH: u8 = 8;

/// What must hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Both {
    pub(crate) path: Option<String>,
    pub(crate) method: Option<String>,
}

/// Reads a condition: a path, a method, or `all` or `any` of conditions.
pub(crate) fn read(condition: Fields) -> Result<Vec<Both>, Blame> {
    any_of(condition, DEPTH)
}

fn any_of(mut condition: Fields, depth: u8) -> Result<Vec<Both>, Blame> {
    let here = condition.at("");
    let here = here.trim_end_matches('.');
    if depth == 0 {
        return Err(Blame::new(here, "conditions are nested too deep", "write it flatter"));
    }
    if condition.take("not").is_some() {
        let why = "an HTTPRouteGroup can't say that something must not match";
        return Err(Blame::new(condition.at("not"), why, "name what shall match instead"));
    }
    let path = condition.text("pathRegex")?.map(|path| path.trim().to_owned());
    let method = condition.text("method")?;
    let mut found = vec![Both { path, method }];
    for inner in condition.maps("all")? {
        let inner = any_of(inner, depth - 1)?;
        found = product(here, found, &inner)?;
    }
    let mut either = Vec::new();
    for inner in condition.maps("any")? {
        either.extend(any_of(inner, depth - 1)?);
    }
    if !either.is_empty() {
        found = product(here, found, &either)?;
    }
    condition.end()?;
    Ok(found)
}

/// Has the expression alternatives that nothing encloses? Linkerd anchors an expression as a text, where it has no anchor (`convert_req_match` in
/// linkerd2-proxy's linkerd/service-profiles/src/proto.rs): of `a|b` it makes `^a|b$`, which is what begins with a or ends with b.
pub(crate) fn is_open(expression: &str) -> bool {
    let (mut depth, mut class, mut escaped) = (0_u32, false, false);
    for character in expression.chars() {
        match character {
            _ if std::mem::take(&mut escaped) => {}
            '\\' => escaped = true,
            ']' => class = false,
            _ if class => {}
            '[' => class = true,
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

fn product(at: &str, left: Vec<Both>, right: &[Both]) -> Result<Vec<Both>, Blame> {
    if left.len() * right.len() > MOST {
        let why = format!("it becomes more than {MOST} matches");
        return Err(Blame::new(at, why, "write it with fewer alternatives"));
    }
    let mut found = Vec::new();
    for (a, b) in left.iter().flat_map(|a| right.iter().map(move |b| (a, b))) {
        found.push(Both { path: one(at, &a.path, &b.path)?, method: one(at, &a.method, &b.method)? });
    }
    Ok(found)
}

fn one(at: &str, a: &Option<String>, b: &Option<String>) -> Result<Option<String>, Blame> {
    match (a, b) {
        (Some(a), Some(b)) if a != b => {
            let why = format!("{a:?} and {b:?} must both match, and a match has room for one");
            Err(Blame::new(at, why, "write one expression that says both"))
        }
        (Some(a), _) => Ok(Some(a.clone())),
        (None, b) => Ok(b.clone()),
    }
}
