//! Where clusters keep what outlives a command: one folder each, below the user's state folder.
//!
//! `lock` is held by the process that runs the cluster, so whether one runs is never a guess; `record.json` tells its
//! process id; `cluster.log` is what a detached one printed. The cluster itself keeps its kubeconfig and more there.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail};
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};
use serde::{Deserialize, Serialize};

use crate::args::Usage;

/// A process that was killed just now lets go of its lock a moment later.
const LET_GO_WITHIN: Duration = Duration::from_millis(500);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// And some inits take their time.
const REAPED_WITHIN: Duration = Duration::from_secs(3);

/// What a cluster's process writes down about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) pid: i32,
    /// Number among the clusters that were started together; decides the addresses.
    pub(crate) index: u8,
    /// The Kubernetes API's URL.
    pub(crate) api: String,
    /// Is the mesh in it?
    pub(crate) mesh: bool,
    /// Was everything ready?
    pub(crate) ready: bool,
    /// The name of those that one process started together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
}

/// Asks the process of several clusters to end this one.
const END: &str = "end";

/// The folder of one cluster.
#[derive(Debug, Clone)]
pub(crate) struct StateDir {
    pub(crate) name: String,
    path: PathBuf,
}

/// Held for as long as the cluster runs.
#[derive(Debug)]
pub(crate) struct Held {
    path: PathBuf,
    _lock: Flock<File>,
}

/// What became of a try to lock.
enum Tried {
    Locked(Flock<File>),
    Busy,
    /// The folder isn't there, or its last holder has removed it meanwhile.
    Gone,
}

impl StateDir {
    /// The folder for a name, whether or not it exists.
    pub(crate) fn new(name: &str) -> anyhow::Result<Self> {
        Self::below(&root()?, name)
    }

    pub(crate) fn below(root: &Path, name: &str) -> anyhow::Result<Self> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if name.is_empty() || name.len() > 40 || !name.bytes().all(fits) || name.starts_with('-') || name.ends_with('-')
        {
            let fault =
                anyhow!("cluster name {name:?}: use up to 40 of a-z, 0-9 and -, with a letter or digit at both ends");
            return Err(Usage(fault).into());
        }
        Ok(Self { name: name.to_owned(), path: root.join(name) })
    }

    /// Every folder there is, by name.
    pub(crate) fn all() -> anyhow::Result<Vec<Self>> {
        let root = root()?;
        let entries = match fs::read_dir(&root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(|| root.display().to_string()),
        };
        let mut names: Vec<String> = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                names.extend(entry.file_name().into_string());
            }
        }
        names.sort();
        Ok(names.iter().filter_map(|name| Self::below(&root, name).ok()).collect())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.path.join("kubeconfig")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("cluster.log")
    }

    /// Makes the folder (for its owner alone) and takes the lock.
    pub(crate) fn hold(&self) -> anyhow::Result<Held> {
        let lock = patiently(LET_GO_WITHIN, || {
            match fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.path) {
                // It was there, and its last holder has removed it since.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !self.path.exists() => return Ok(None),
                made => made.context("state folder")?,
            }
            let tried = self.try_lock(true, FlockArg::LockExclusiveNonblock)?;
            Ok(if let Tried::Locked(lock) = tried { Some(lock) } else { None })
        })?;
        if let Some(lock) = lock {
            // Its last holder may have been killed just now: what it has left is cleaned up only once it is reaped.
            let process = self.record().map(|r| PathBuf::from(format!("/proc/{}", r.pid)));
            let gone = || Ok(process.as_ref().is_none_or(|p| !p.exists()).then_some(()));
            patiently(REAPED_WITHIN, gone)?;
            return Ok(Held { path: self.path.clone(), _lock: lock });
        }
        bail!(
            "cluster {:?} is running already (process {}); `isthmus down --name {0}` stops it, or choose another --name",
            self.name,
            self.record().map_or_else(|| "unknown".to_owned(), |r| r.pid.to_string())
        )
    }

    /// Does a process hold the cluster?
    pub(crate) fn is_running(&self) -> anyhow::Result<bool> {
        // Shared, so that those who look don't take each other for a cluster.
        Ok(matches!(self.try_lock(false, FlockArg::LockSharedNonblock)?, Tried::Busy))
    }

    fn try_lock(&self, create: bool, how: FlockArg) -> anyhow::Result<Tried> {
        let path = self.path.join("lock");
        let file = fs::OpenOptions::new().create(create).truncate(false).write(true).mode(0o600).open(&path);
        let file = match file {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Tried::Gone),
            file => file.with_context(|| path.display().to_string())?,
        };
        match Flock::lock(file, how) {
            Ok(lock) => Ok(if is_still(&lock, &path) { Tried::Locked(lock) } else { Tried::Gone }),
            Err((_, Errno::EWOULDBLOCK)) => Ok(Tried::Busy),
            Err((_, errno)) => Err(errno).with_context(|| path.display().to_string()),
        }
    }

    /// What the cluster's process has written, if it is whole.
    pub(crate) fn record(&self) -> Option<Record> {
        serde_json::from_str(&fs::read_to_string(self.path.join("record.json")).ok()?).ok()
    }

    /// Forgets what an earlier process has written, or was asked.
    pub(crate) fn forget(&self) -> anyhow::Result<()> {
        for name in ["record.json", END] {
            match fs::remove_file(self.path.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).context(name),
                _ => {}
            }
        }
        Ok(())
    }

    /// Asks the process that runs this cluster, among others, to end it alone.
    pub(crate) fn ask_to_end(&self) -> anyhow::Result<()> {
        self.write(END, "")
    }

    /// Has somebody asked?
    pub(crate) fn is_asked_to_end(&self) -> bool {
        self.path.join(END).exists()
    }

    /// Writes it so that a reader finds the old or the new one.
    pub(crate) fn write_record(&self, record: &Record) -> anyhow::Result<()> {
        self.write("record.json", &serde_json::to_string(record)?)
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let (target, new) = (self.path.join(name), self.path.join(format!(".{name}.new")));
        let file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new);
        let written = file.and_then(|mut f| io::Write::write_all(&mut f, text.as_bytes()));
        written.and_then(|()| fs::rename(&new, &target)).with_context(|| target.display().to_string())
    }

    /// Removes the folder and what is in it, unless somebody holds it: a cluster that is only just starting stays.
    pub(crate) fn remove(&self) -> anyhow::Result<()> {
        match self.try_lock(true, FlockArg::LockExclusiveNonblock)? {
            Tried::Locked(lock) => Held { path: self.path.clone(), _lock: lock }.remove(),
            Tried::Busy | Tried::Gone => Ok(()),
        }
    }
}

impl Held {
    /// Removes the folder and what is in it. The lock goes last: until then nobody else begins here, and whoever waits for it
    /// finds a folder of his own, or none.
    pub(crate) fn remove(self) -> anyhow::Result<()> {
        let lock = self.path.join("lock");
        let remove = || -> io::Result<()> {
            for entry in fs::read_dir(&self.path)? {
                let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
                match path == lock {
                    true => {}
                    false if kind.is_dir() => fs::remove_dir_all(path)?,
                    false => fs::remove_file(path)?,
                }
            }
            fs::remove_file(&lock)?;
            match fs::remove_dir(&self.path) {
                // The next one has begun already; or has even ended.
                Err(error) if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound) => {
                    Ok(())
                }
                removed => removed,
            }
        };
        remove().with_context(|| self.path.display().to_string())
    }
}

/// Is the opened file still the one of that name? Its last holder may have removed it.
fn is_still(open: &File, path: &Path) -> bool {
    match (open.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(found)) => (open.dev(), open.ino()) == (found.dev(), found.ino()),
        _ => false,
    }
}

/// Asks until there is an answer, or the time is over.
fn patiently<T>(within: Duration, mut ask: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<Option<T>> {
    let deadline = Instant::now() + within;
    loop {
        match ask()? {
            None if Instant::now() < deadline => thread::sleep(LOOK_EVERY),
            answer => return Ok(answer),
        }
    }
}

/// `$XDG_STATE_HOME/isthmus`, or its default below the home folder.
fn root() -> anyhow::Result<PathBuf> {
    let var = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let state = var("XDG_STATE_HOME").filter(|p| p.is_absolute());
    let state = state.or_else(|| Some(var("HOME")?.join(".local/state")));
    Ok(state
        .context("neither XDG_STATE_HOME nor HOME is set: set one, to say where clusters keep their state")?
        .join("isthmus"))
}

#[cfg(test)]
mod tests;
