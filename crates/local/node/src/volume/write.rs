//! Writing a volume's files so that a reader sees the old ones or the new ones, never some of both: they are in a directory of their own,
//! and one renamed link, `..data`, leads there. This is the kubelet's layout, which programs watch for.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use jiff::Timestamp;

use super::content::Files;

const DATA: &str = "..data";
const NEW_DATA: &str = "..data_tmp";

/// Brings the directory up to date; true if something changed.
pub(crate) fn publish(directory: &Path, files: &Files) -> io::Result<bool> {
    fs::create_dir_all(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    let data = directory.join(DATA);
    if data.exists() && same(&data, files)? {
        return Ok(false);
    }
    let old = fs::read_link(&data).ok();
    let name = format!("..{:.9}", Timestamp::now()).replace(':', "_");
    let fresh = directory.join(&name);
    for (path, file) in files {
        let target = fresh.join(path);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&target, &file.bytes)?;
        fs::set_permissions(&target, fs::Permissions::from_mode(file.mode))?;
    }
    fs::create_dir_all(&fresh)?;
    let link = directory.join(NEW_DATA);
    remove(&link)?;
    symlink(&name, &link)?;
    fs::rename(&link, &data)?;
    link_names(directory, files)?;
    if let Some(old) = old {
        match fs::remove_dir_all(directory.join(old)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(true)
}

/// Each first part of a path is a link into `..data`; what is no longer there loses its link.
fn link_names(directory: &Path, files: &Files) -> io::Result<()> {
    let wanted: std::collections::BTreeSet<&str> = files.keys().filter_map(|path| path.split('/').next()).collect();
    for name in &wanted {
        let link = directory.join(name);
        if !link.is_symlink() {
            symlink(Path::new(DATA).join(name), link)?;
        }
    }
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let own = name.to_str().is_some_and(|name| name.starts_with("..") || wanted.contains(name));
        if !own && entry.file_type()?.is_symlink() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn same(data: &Path, files: &Files) -> io::Result<bool> {
    let mut found = 0;
    let mut directories = vec![data.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                directories.push(entry.path());
                continue;
            }
            let path = entry.path();
            let name = path.strip_prefix(data).ok().and_then(Path::to_str);
            let Some(file) = name.and_then(|name| files.get(name)) else { return Ok(false) };
            if fs::read(&path)? != file.bytes || entry.metadata()?.permissions().mode() & 0o777 != file.mode {
                return Ok(false);
            }
            found += 1;
        }
    }
    Ok(found == files.len())
}
