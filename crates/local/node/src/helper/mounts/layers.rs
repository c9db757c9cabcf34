//! Writable layers over the host's directories, for mount points that the host doesn't have.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::{by_descriptor, held, make};

/// Where the layers' changes are kept while they are being made; out of reach afterwards.
const SCRATCH: &str = "/.isthmus-layers";

/// The file systems of this container that may be written without touching the host.
pub(super) struct Layers {
    devices: Vec<u64>,
    count: usize,
}

impl Layers {
    pub(super) fn new() -> io::Result<Self> {
        fs::create_dir(SCRATCH)?;
        mount(Some("tmpfs"), SCRATCH, Some("tmpfs"), MsFlags::MS_NOSUID, Some("mode=0755,size=64m"))?;
        Ok(Layers { devices: vec![fs::metadata("/")?.dev()], count: 0 })
    }

    /// Makes an empty file or directory in the container's view only, unless something is there.
    pub(super) fn make_mount_point(&mut self, target: &Path, directory: bool) -> io::Result<()> {
        let Some((parent, dangling)) = nearest(target) else {
            return Ok(());
        };
        if !self.devices.contains(&fs::metadata(&parent)?.dev()) {
            self.cover(&parent)?;
        }
        if let Some(link) = dangling {
            fs::remove_file(link)?;
        }
        make(target, directory)
    }

    /// Mounts a writable layer over a directory.
    fn cover(&mut self, directory: &Path) -> io::Result<()> {
        self.count += 1;
        let at = Path::new(SCRATCH).join(self.count.to_string());
        match overlay(directory, &at) {
            Err(Errno::EPERM | Errno::EINVAL | Errno::ENODEV) => replica(directory)?,
            other => other?,
        }
        self.devices.push(fs::metadata(directory)?.dev());
        Ok(())
    }

    /// Unmounts the scratch directory; the overlays keep what they need of it.
    pub(super) fn finish(self) -> io::Result<()> {
        umount2(SCRATCH, MntFlags::MNT_DETACH)?;
        fs::remove_dir(SCRATCH)
    }
}

/// The deepest existing directory on the way to a path, and a link that leads nowhere, if that is what ends the way. None if the path exists.
fn nearest(target: &Path) -> Option<(PathBuf, Option<PathBuf>)> {
    let mut dangling = None;
    let mut at = target;
    while !at.exists() {
        if at.is_symlink() {
            dangling = Some(at.to_path_buf());
        }
        at = at.parent()?;
    }
    if at == target {
        return None;
    }
    // The place itself, not a link to it: a file system is mounted over it.
    Some((fs::canonicalize(at).ok()?, dangling))
}

fn overlay(directory: &Path, scratch: &Path) -> nix::Result<()> {
    let (upper, work) = (scratch.join("upper"), scratch.join("work"));
    for made in [&upper, &work] {
        fs::create_dir_all(made).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
    }
    let escaped = directory.to_string_lossy().replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,");
    let options = format!("lowerdir={escaped},upperdir={},workdir={}", upper.display(), work.display());
    let plain = mount(Some("overlay"), directory, Some("overlay"), MsFlags::empty(), Some(options.as_str()));
    match plain {
        // In a user namespace the overlay's own marks must be user attributes.
        Err(Errno::EPERM) => {
            let options = format!("{options},userxattr");
            mount(Some("overlay"), directory, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        }
        other => other,
    }
}

/// A tmpfs in the directory's place, with its entries bound into it.
fn replica(directory: &Path) -> io::Result<()> {
    let original = held(directory)?;
    mount(Some("tmpfs"), directory, Some("tmpfs"), MsFlags::MS_NOSUID, Some("mode=0755,size=64m"))?;
    for entry in fs::read_dir(by_descriptor(&original))? {
        let entry = entry?;
        let target = directory.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            symlink(fs::read_link(entry.path())?, &target)?;
            continue;
        }
        make(&target, kind.is_dir())?;
        let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some(&entry.path()), &target, None::<&str>, flags, None::<&str>)?;
    }
    Ok(())
}
