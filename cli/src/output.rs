//! Lists, as a table, JSON or YAML.

use serde::Serialize;

use crate::{args::Output, stdout};

/// A column of a table: its head, and a row's cell.
pub(crate) type Column<T> = (&'static str, fn(&T) -> String);

/// Prints rows in the form asked for.
pub(crate) fn print<T: Serialize>(form: Output, rows: &[T], columns: &[Column<T>]) -> anyhow::Result<()> {
    let text = match form {
        Output::Table => table(rows, columns),
        Output::Json => serde_json::to_string_pretty(rows)? + "\n",
        Output::Yaml => serde_saphyr::to_string(&rows)?,
    };
    Ok(stdout::say(&text)?)
}

/// Prints one thing in the form asked for; for people, in these words.
pub(crate) fn print_one<T: Serialize>(form: Output, value: &T, words: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
    Ok(stdout::say(&text_of(form, value, words)?)?)
}

/// What `print_one` prints.
pub(crate) fn text_of<T: Serialize>(
    form: Output,
    value: &T,
    words: impl FnOnce(&T) -> String,
) -> anyhow::Result<String> {
    Ok(match form {
        Output::Table => words(value),
        Output::Json => serde_json::to_string_pretty(value)? + "\n",
        Output::Yaml => serde_saphyr::to_string(value)?,
    })
}

/// Columns as wide as their widest cell, three blanks between them, as kubectl does it.
pub(crate) fn table<T>(rows: &[T], columns: &[Column<T>]) -> String {
    let heads = columns.iter().map(|(head, _)| (*head).to_owned()).collect();
    let cells = rows.iter().map(|row| columns.iter().map(|(_, cell)| cell(row)).collect());
    let lines: Vec<Vec<String>> = std::iter::once(heads).chain(cells).collect();
    let width =
        |column: usize| lines.iter().filter_map(|l| l.get(column)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut out = String::new();
    for line in &lines {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        out += cells.join("   ").trim_end();
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests;
