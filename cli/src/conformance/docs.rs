//! A report between the markers of a page.

use std::{fs, path::Path};

use anyhow::Context;

const BEGIN: &str = "<!-- results: begin (written by isthmus conformance run --docs) -->";
const END: &str = "<!-- results: end -->";

/// Puts a report in the place of the one that is there.
pub(super) fn write(page: &Path, report: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string(page).with_context(|| page.display().to_string())?;
    let text = replaced(&text, report).with_context(|| format!("{} has no {BEGIN} … {END}", page.display()))?;
    fs::write(page, text).with_context(|| page.display().to_string())
}

fn replaced(page: &str, report: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{}\n{END}{after}", report.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_the_markers_is_replaced() {
        let page = format!("# Title\n{BEGIN}\nstale\n{END}\nend\n");
        assert_eq!(replaced(&page, "fresh\n").unwrap(), format!("# Title\n{BEGIN}\nfresh\n{END}\nend\n"));
        assert_eq!(replaced("# Title\n", "fresh"), None);
    }
}
