//! Completions in the form in which kubectl asks its plugins for them: a line for each candidate, then what the shell may do.

use clap::{Arg, Command, CommandFactory};

use super::Traffic;

/// The shell shall not fall back on the names of files.
const NO_FILES: &str = ":4";

/// Of the words after `kubectl traffic`, the last of which is only begun.
pub(crate) fn complete(words: &[String]) -> String {
    let mut lines = candidates(&Traffic::command(), words);
    lines.push(NO_FILES.to_owned());
    lines.join("\n") + "\n"
}

fn candidates(program: &Command, words: &[String]) -> Vec<String> {
    let (begun, before) = words.split_last().map_or(("", [].as_slice()), |(last, rest)| (last.as_str(), rest));
    let Some(command) = before.iter().find_map(|word| program.find_subcommand(word)) else {
        let all = program.get_subcommands().filter(|c| !c.is_hide_set());
        return matching(begun, all.map(|c| (c.get_name().to_owned(), c.get_about().map(ToString::to_string))));
    };
    // After a flag that takes a value, its values.
    let flag = before.last().and_then(|word| flag(command, word)).filter(|arg| arg.get_action().takes_values());
    if let Some(flag) = flag {
        return matching(begun, values(flag));
    }
    if begun.starts_with('-') {
        let flags = command.get_arguments().filter(|a| !a.is_hide_set());
        let named = flags.filter_map(|a| Some((format!("--{}", a.get_long()?), a.get_help().map(ToString::to_string))));
        return matching(begun, named);
    }
    matching(begun, command.get_positionals().flat_map(values))
}

fn flag<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let named = |arg: &&Arg| match word.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => word.strip_prefix('-').is_some_and(|short| arg.get_short().is_some_and(|s| short == s.to_string())),
    };
    command.get_arguments().find(named)
}

fn values(arg: &Arg) -> Vec<(String, Option<String>)> {
    let all = arg.get_possible_values().into_iter().filter(|v| !v.is_hide_set());
    all.map(|v| (v.get_name().to_owned(), v.get_help().map(ToString::to_string))).collect()
}

/// Candidates that go on as was begun, each with what it means.
fn matching(begun: &str, all: impl IntoIterator<Item = (String, Option<String>)>) -> Vec<String> {
    let line = |(name, help): (String, Option<String>)| match help {
        Some(help) => format!("{name}\t{help}"),
        None => name,
    };
    all.into_iter().filter(|(name, _)| name.starts_with(begun)).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(words: &[&str]) -> Vec<String> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let text = complete(&words);
        let name = |line: &str| line.split('\t').next().unwrap_or_default().to_owned();
        text.lines().map(name).collect()
    }

    #[test]
    fn commands_resources_flags_and_their_values_are_offered() {
        assert_eq!(completed(&["to"])[0], "top");
        assert_eq!(completed(&["top", "depl"]), ["deployments", NO_FILES]);
        assert_eq!(completed(&["top", "--sel"]), ["--selector", NO_FILES]);
        assert_eq!(completed(&["top", "--sort", "p"]), ["p99", NO_FILES]);
        assert_eq!(completed(&["top", "-o", ""]), ["table", "json", "yaml", NO_FILES]);
    }

    #[test]
    fn where_there_is_nothing_to_offer_nothing_is() {
        assert_eq!(completed(&["top", "-n", ""]), [NO_FILES]);
        assert_eq!(completed(&["none", "such"]), [NO_FILES]);
        assert!(completed(&[]).contains(&"top".to_owned()));
    }
}
