//! Lists, as a table, JSON or YAML.

use serde::Serialize;

use crate::args::Output;

/// A column of a table: its head, and a row's cell.
pub(crate) type Column<T> = (&'static str, fn(&T) -> String);

/// Prints rows in the form asked for.
pub(crate) fn print<T: Serialize>(form: Output, rows: &[T], columns: &[Column<T>]) -> anyhow::Result<()> {
    match form {
        Output::Table => print!("{}", table(rows, columns)),
        Output::Json => println!("{}", serde_json::to_string_pretty(rows)?),
        Output::Yaml => print!("{}", serde_saphyr::to_string(&rows)?),
    }
    Ok(())
}

/// Prints one thing in the form asked for; for people, as `text` has it.
pub(crate) fn print_one<T: Serialize>(form: Output, value: &T, text: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
    match form {
        Output::Table => print!("{}", text(value)),
        Output::Json => println!("{}", serde_json::to_string_pretty(value)?),
        Output::Yaml => print!("{}", serde_saphyr::to_string(value)?),
    }
    Ok(())
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
