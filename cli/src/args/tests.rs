use clap::CommandFactory;

use clap_complete::Shell;

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_shell_gets_a_completion() {
    for shell in Shell::value_variants() {
        let mut script = Vec::new();
        clap_complete::generate(*shell, &mut Cli::command(), "isthmus", &mut script);
        assert!(String::from_utf8(script).unwrap().contains("isthmus"), "{shell}");
    }
}
