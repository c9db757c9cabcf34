//! A container's file tree: the host's, with the container's own files mounted over it, and nothing of the host changed.
//!
//! The root is a small tmpfs that holds the host's top-level entries by bind mounts. A mount point that the host doesn't have is made
//! in an overlay over its nearest existing parent, whose changes go to the tmpfs; where overlays aren't to be had, a tmpfs with the
//! parent's entries bound into it does the same.

mod layers;
mod root;

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;
use nix::sys::statvfs::{FsFlags, statvfs};

use super::NOT_STARTED;
use super::program::Failure;
use super::spec::{ContainerSpec, MountSpec};

/// Builds the tree in a new mount namespace, and makes it this process's root.
pub(super) fn build(spec: &ContainerSpec) -> Result<(), Failure> {
    root::change(&spec.root).map_err(|error| failure("build the container's root", &error))?;
    let mut mounts: Vec<&MountSpec> = spec.mounts.iter().collect();
    mounts.sort_by_key(|mount| mount.target.components().count());
    // Sources are held before anything is mounted that might hide them.
    let sources = mounts.iter().map(|mount| held(&mount.source).map_err(|error| at(mount, &error)));
    let sources = sources.collect::<Result<Vec<_>, _>>()?;
    let mut layers = layers::Layers::new().map_err(|error| failure("mount a scratch file system", &error))?;
    for (mount, source) in mounts.iter().zip(&sources).filter(|(mount, _)| !is_nested(mount, &mounts)) {
        layers.make_mount_point(&mount.target, is_directory(source)).map_err(|error| at(mount, &error))?;
    }
    for (mount, source) in mounts.iter().zip(&sources) {
        bind(source, mount).map_err(|error| at(mount, &error))?;
    }
    layers.finish().map_err(|error| failure("let go of the scratch file system", &error))
}

/// Inside another mount of the container: its mount point is made there.
fn is_nested(mount: &MountSpec, all: &[&MountSpec]) -> bool {
    all.iter().any(|other| other.target != mount.target && mount.target.starts_with(&other.target))
}

fn held(path: &Path) -> io::Result<OwnedFd> {
    Ok(open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?)
}

fn is_directory(file: &OwnedFd) -> bool {
    fs::metadata(by_descriptor(file)).is_ok_and(|metadata| metadata.is_dir())
}

/// A path to what a descriptor holds, whatever has been mounted over its name.
fn by_descriptor(file: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn bind(source: &OwnedFd, spec: &MountSpec) -> io::Result<()> {
    make(&spec.target, is_directory(source))?;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(&by_descriptor(source)), &spec.target, None::<&str>, flags, None::<&str>)?;
    if !spec.read_only {
        return Ok(());
    }
    // The flags of the source stay: in a user namespace they are locked, and leaving one out is refused.
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | locked(&spec.target)?;
    Ok(mount(None::<&str>, &spec.target, None::<&str>, flags, None::<&str>)?)
}

fn locked(path: &Path) -> io::Result<MsFlags> {
    let now = statvfs(path)?.flags();
    let pairs = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    Ok(pairs.iter().filter(|(fs, _)| now.contains(*fs)).fold(MsFlags::empty(), |all, (_, ms)| all | *ms))
}

/// Makes an empty file or directory, unless something is there.
fn make(path: &Path, directory: bool) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if directory {
        return fs::create_dir_all(path);
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    File::create(path).map(drop)
}

fn at(mount: &MountSpec, error: &io::Error) -> Failure {
    Failure::new(NOT_STARTED, format!("cannot mount {} at {}: {error}", mount.source.display(), mount.target.display()))
}

fn failure(what: &str, error: &io::Error) -> Failure {
    Failure::new(NOT_STARTED, format!("cannot {what}: {error}"))
}
