//! `$(NAME)` in values, commands and arguments.

/// Replaces `$(NAME)` by the variable's value; an unknown one stays as it is written, and `$$(NAME)` becomes `$(NAME)`.
pub(crate) fn expand(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(escaped) = after.strip_prefix('$') {
            out.push('$');
            rest = escaped;
            continue;
        }
        match after.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            Some((name, tail)) => {
                match value(name) {
                    Some(value) => out.push_str(&value),
                    None => out.extend(["$(", name, ")"]),
                }
                rest = tail;
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}
