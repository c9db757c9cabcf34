use clap::CommandFactory;

use clap_complete::Shell;

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

/// Flags that every command has are handed on by their ids: another argument of the same id would have their value, and they its.
#[test]
fn no_command_has_an_argument_with_the_id_of_a_global_one() {
    fn check(command: &clap::Command, globals: &[&clap::Id]) {
        for sub in command.get_subcommands() {
            let doubled = sub.get_arguments().find(|arg| globals.contains(&arg.get_id()));
            assert!(doubled.is_none(), "{}: {doubled:?}", sub.get_name());
            check(sub, globals);
        }
    }
    let cli = Cli::command();
    let globals: Vec<_> = cli.get_arguments().filter(|arg| arg.is_global_set()).map(clap::Arg::get_id).collect();
    assert_eq!(globals.len(), 2);
    check(&cli, &globals);
}

#[test]
fn every_shell_gets_a_completion() {
    for shell in Shell::value_variants() {
        let mut script = Vec::new();
        clap_complete::generate(*shell, &mut Cli::command(), "isthmus", &mut script);
        assert!(String::from_utf8(script).unwrap().contains("isthmus"), "{shell}");
    }
}
