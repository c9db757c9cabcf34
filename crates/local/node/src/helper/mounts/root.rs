//! The container's root: a tmpfs with the host's top-level entries in it.

use std::fs::{self, DirEntry, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::pivot_root;

/// The most that a container's root may hold of its own: mount points, and little else.
const ROOT_OPTIONS: &str = "mode=0755,size=64m";
const TMPFS: Option<&str> = Some("tmpfs");

/// Enters a new mount namespace, builds the root over the directory, and moves into it. The old tree is out of reach afterwards.
pub(super) fn change(root: &Path) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    // Nothing that is mounted here may reach the host.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    mount(TMPFS, root, TMPFS, MsFlags::MS_NOSUID, Some(ROOT_OPTIONS))?;
    for entry in fs::read_dir("/")? {
        let entry = entry?;
        take(&entry, &root.join(entry.file_name()))?;
    }
    own_proc(root)?;
    let shared_memory = root.join("dev/shm");
    if shared_memory.is_dir() {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(TMPFS, &shared_memory, TMPFS, flags, Some("mode=1777,size=64m"))?;
    }
    std::env::set_current_dir(root)?;
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    std::env::set_current_dir("/")
}

/// Brings one entry of the host's root over.
fn take(entry: &DirEntry, target: &Path) -> io::Result<()> {
    let kind = entry.file_type()?;
    if kind.is_symlink() {
        return symlink(fs::read_link(entry.path())?, target);
    }
    if kind.is_dir() {
        fs::create_dir(target)?;
    } else {
        File::create(target)?;
    }
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    match mount(Some(&entry.path()), target, None::<&str>, flags, None::<&str>) {
        // Gone since it was listed, or not for us to see.
        Err(Errno::ENOENT | Errno::EACCES) => Ok(()),
        other => Ok(other?),
    }
}

/// Processes of this PID namespace only. A kernel that hides parts of the host's `/proc` doesn't allow a new one in a user namespace; the
/// host's then stays.
fn own_proc(root: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    match mount(Some("proc"), &root.join("proc"), Some("proc"), flags, None::<&str>) {
        Err(Errno::EPERM) => Ok(()),
        other => Ok(other?),
    }
}
