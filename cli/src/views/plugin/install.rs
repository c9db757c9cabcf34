//! `isthmus plugin install`.

use std::{
    env, fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;

use super::{COMPLETER, PLUGIN};
use crate::stdout;

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// Where, a folder on your PATH [default: where isthmus itself is if that is on your PATH, else ~/.local/bin]
    #[arg(long)]
    dir: Option<PathBuf>,
}

pub(crate) fn install(args: &InstallArgs) -> anyhow::Result<()> {
    let program = env::current_exe().context("can't tell where this program is")?;
    let path: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => usual(&program, &path, env::home_dir()).context("there is no home folder; name a folder by --dir")?,
    };
    let links = link(&program, &dir)?;
    let mut text: String = links.iter().map(|l| format!("{} -> {}\n", l.display(), program.display())).collect();
    if path.contains(&dir) {
        text += "Next: `kubectl traffic top -A`\n";
    } else {
        text +=
            &format!("{0} isn't on your PATH: export PATH={0}:$PATH, then `kubectl traffic top -A`\n", dir.display());
    }
    Ok(stdout::say(&text)?)
}

/// Beside the program if kubectl looks there.
fn usual(program: &Path, path: &[PathBuf], home: Option<PathBuf>) -> Option<PathBuf> {
    let beside = program.parent().filter(|dir| path.iter().any(|p| p == dir));
    beside.map(Path::to_owned).or_else(|| Some(home?.join(".local/bin")))
}

/// Makes the links. Links of an earlier install are replaced; what is anything else stays, and is a fault.
fn link(program: &Path, dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    fs::create_dir_all(dir).with_context(|| format!("can't make {}; name another folder by --dir", dir.display()))?;
    let links = [PLUGIN, COMPLETER].map(|name| dir.join(name));
    for link in &links {
        if fs::symlink_metadata(link).is_ok_and(|there| !there.is_symlink()) {
            bail!("{} is there, and no link; remove it, or name another folder by --dir", link.display());
        }
    }
    for link in &links {
        match fs::remove_file(link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).context(link.display().to_string());
            }
            _ => symlink(program, link)
                .with_context(|| format!("can't make {}; name another folder by --dir", link.display()))?,
        }
    }
    Ok(links.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn links_are_made_and_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        for program in ["/old/isthmus", "/new/isthmus"] {
            let links = link(Path::new(program), &bin).unwrap();
            assert_eq!(links.len(), 2);
            assert!(links.iter().all(|l| fs::read_link(l).unwrap() == Path::new(program)), "{links:?}");
        }
    }

    #[test]
    fn what_isnt_ours_stays() {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join(COMPLETER);
        fs::write(&other, "mine").unwrap();
        let fault = link(Path::new("/isthmus"), dir.path()).unwrap_err().to_string();
        assert!(fault.contains("is there, and no link"), "{fault}");
        assert!(!dir.path().join(PLUGIN).exists());
        assert_eq!(fs::read_to_string(other).unwrap(), "mine");
    }

    #[test]
    fn beside_the_program_if_that_is_on_the_path() {
        let (program, home) = (Path::new("/opt/bin/isthmus"), Some(PathBuf::from("/home/me")));
        assert_eq!(usual(program, &["/opt/bin".into()], home.clone()).unwrap(), Path::new("/opt/bin"));
        assert_eq!(usual(program, &["/bin".into()], home).unwrap(), Path::new("/home/me/.local/bin"));
        assert_eq!(usual(program, &[], None), None);
    }
}
