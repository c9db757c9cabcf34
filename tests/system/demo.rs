//! The README's first command, as root (or whoever runs the tests) and as a user without any right.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use isthmus_tests::{cluster::Cluster, kubectl::built, left_out};

/// This file's tests.
pub(crate) fn tests() -> Vec<(&'static str, super::Body)> {
    vec![
        ("demo_shows_every_row_as_asked", privileged as super::Body),
        ("demo_shows_every_row_as_asked_to_a_user_without_rights", unprivileged),
    ]
}

/// Rows of the demo's table.
const ROWS: usize = 21;
/// `nobody`.
const NOBODY: u32 = 65534;

fn privileged(_: &Cluster) -> anyhow::Result<()> {
    let state = tempfile::tempdir()?;
    demo(Command::new(built("isthmus")?), state.path())
}

fn unprivileged(_: &Cluster) -> anyhow::Result<()> {
    let test = "demo_shows_every_row_as_asked_to_a_user_without_rights";
    if !nix::unistd::geteuid().is_root() {
        // Whoever runs the tests is such a user: the other test has shown it.
        return Ok(());
    }
    if fs::read_to_string("/proc/sys/user/max_user_namespaces")?.trim() == "0" {
        left_out::say(test, "user namespaces are switched off", "sysctl -w user.max_user_namespaces=15000");
        return Ok(());
    }
    let home = tempfile::tempdir()?;
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755))?;
    let program = home.path().join("isthmus");
    fs::copy(built("isthmus")?, &program)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let state = home.path().join("state");
    fs::create_dir(&state)?;
    chown(&state, Some(NOBODY), Some(NOBODY))?;
    let mut command = Command::new(program);
    command.uid(NOBODY).gid(NOBODY).current_dir(home.path()).env("HOME", &state).env("TMPDIR", &state);
    demo(command, &state)
}

fn demo(mut command: Command, state: &Path) -> anyhow::Result<()> {
    let output = command
        .arg("demo")
        .env("XDG_STATE_HOME", state)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .context("can't start isthmus demo")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let rows = text.lines().filter(|line| line.trim_end().ends_with("as asked") && !line.starts_with("All")).count();
    if !output.status.success() || rows != ROWS {
        bail!("{}, {rows} of {ROWS} rows as asked:\n{text}", output.status);
    }
    Ok(())
}
