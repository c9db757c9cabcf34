//! A cluster's own directory: who runs it, and what a killed one left.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::Error;

/// Locked as long as the cluster runs; the kernel unlocks it however the process ends. Holds the process's id, for people.
const LOCK: &str = "cluster.lock";
const KUBECONFIG: &str = "kubeconfig";
/// How often a directory is made anew that another cluster, at its end, has removed.
const TRIES: u8 = 100;

#[derive(Debug)]
pub(super) struct StateDir {
    path: PathBuf,
    _lock: Flock<File>,
}

impl StateDir {
    /// Takes the directory, and removes what a killed cluster left in it.
    pub(super) fn claim(path: Option<&Path>, name: &str) -> Result<Self, Error> {
        check_name(name)?;
        let path = match path {
            Some(path) => path.to_owned(),
            None => default_path(name, |variable| std::env::var_os(variable).map(PathBuf::from))?,
        };
        let mut again = 0..TRIES;
        let state = loop {
            match Self::make(&path, name) {
                Err(Error::StateFile { source, .. }) if is_race(&source) && again.next().is_some() => {}
                made => break made?,
            }
        };
        state.remove_file(KUBECONFIG);
        crate::control_plane::end_leftovers(&state.path);
        let node = state.path.join("node");
        isthmus_local_node::remove_leftovers(&node).map_err(|source| Error::StateFile { file: node, source })?;
        Ok(state)
    }

    fn make(path: &Path, name: &str) -> Result<Self, Error> {
        let at = |source| Error::StateFile { file: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at)?;
        let path = path.canonicalize().map_err(at)?;
        // There are keys and tokens below.
        fs::set_permissions(&path, Permissions::from_mode(0o700)).map_err(at)?;
        let lock = lock(&path.join(LOCK), name)?;
        Ok(StateDir { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.path.join(KUBECONFIG)
    }

    pub(super) fn write_kubeconfig(&self, text: &str) -> Result<(), Error> {
        let file = self.kubeconfig();
        let write = || {
            // Made under another name, so that whoever waits for the file finds all of it.
            let new = self.path.join(".kubeconfig");
            let mut open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            open.write_all(text.as_bytes())?;
            fs::rename(new, &file)
        };
        write().map_err(|source| Error::StateFile { file: file.clone(), source })
    }

    /// Leaves nothing but what others have put here.
    pub(super) fn remove(self) {
        self.remove_file(KUBECONFIG);
        self.remove_file(LOCK);
        // It stays if it isn't empty.
        let _ = fs::remove_dir(&self.path);
    }

    fn remove_file(&self, name: &str) {
        let file = self.path.join(name);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(file = %file.display(), %error, "a file of the cluster's stays");
            }
            _ => {}
        }
    }
}

fn lock(file: &Path, name: &str) -> Result<Flock<File>, Error> {
    let failed = |source: io::Error| Error::StateFile { file: file.to_owned(), source };
    loop {
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(file);
        match Flock::lock(open.map_err(failed)?, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                // A cluster that ended just now may have removed the file that was opened.
                if !is_still(&lock, file) {
                    continue;
                }
                lock.set_len(0).map_err(failed)?;
                lock.seek(SeekFrom::Start(0)).map_err(failed)?;
                writeln!(lock, "{}", std::process::id()).map_err(failed)?;
                return Ok(lock);
            }
            Err((mut open, Errno::EWOULDBLOCK)) => {
                let mut pid = String::new();
                let read = open.read_to_string(&mut pid);
                let pid = read.ok().map(|_| pid.trim().to_owned()).filter(|pid| !pid.is_empty());
                return Err(Error::AlreadyRunning {
                    name: name.to_owned(),
                    pid: pid.unwrap_or_else(|| "unknown".to_owned()),
                });
            }
            Err((_, error)) => return Err(failed(error.into())),
        }
    }
}

/// A cluster that ends just now may take the directory away while the next one makes it.
fn is_race(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists)
}

fn is_still(open: &File, file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (open.metadata(), fs::metadata(file)) {
        (Ok(open), Ok(found)) => (open.dev(), open.ino()) == (found.dev(), found.ino()),
        _ => false,
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edges = !name.starts_with('-') && !name.ends_with('-');
    if !name.is_empty() && name.len() <= 40 && name.bytes().all(fits) && edges {
        return Ok(());
    }
    Err(Error::InvalidName { name: name.to_owned() })
}

fn default_path(name: &str, variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf, Error> {
    // Relative paths in XDG variables are to be ignored, its specification says.
    let state = variable("XDG_STATE_HOME").filter(|path| path.is_absolute());
    let state = state.or_else(|| variable("HOME").map(|home| home.join(".local/state")));
    Ok(state.ok_or(Error::NoStateDir)?.join("isthmus").join(name))
}

#[cfg(test)]
mod tests;
