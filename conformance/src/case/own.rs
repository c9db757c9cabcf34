//! Cases of the user's own, from a folder.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Case, library};
use crate::Error;

/// Folders within folders.
const DEPTH: u8 = 8;

/// Every case of a folder, by id: the YAML files in it and in its folders, named as the suite's own are.
///
/// # Errors
/// There is none, a file can't be read, or it isn't a case that can be run: which, where in it, and what to do.
pub fn of_folder(folder: &Path) -> Result<Vec<Case>, Error> {
    let mut files = Vec::new();
    find(folder, DEPTH, &mut files)?;
    if files.is_empty() {
        return Err(wrong(folder, "no file in it ends in .yaml or .yml: a case is a file, <group>-<what>.yaml"));
    }
    let mut by_id: BTreeMap<String, (PathBuf, Case)> = BTreeMap::new();
    for file in files {
        let id = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).map_err(|error| unread(&file, &error))?;
        let case = library::read_from(&file.display().to_string(), &id, &text)?;
        case.check().map_err(|why| wrong(&file, &why))?;
        if let Some((other, _)) = by_id.get(&id) {
            let why = format!("{} has the same name, which is the case's id: rename one", other.display());
            return Err(wrong(&file, &why));
        }
        by_id.insert(id, (file, case));
    }
    Ok(by_id.into_values().map(|(_, case)| case).collect())
}

fn find(folder: &Path, depth: u8, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    if depth == 0 {
        return Err(wrong(folder, &format!("it is more than {DEPTH} folders deep: put the cases higher")));
    }
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let mut paths: Vec<PathBuf> =
        entries.map_err(|error| unread(folder, &error))?.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    // Those that begin with a dot are an editor's, or a volume's.
    paths.retain(|path| path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b".")));
    for path in paths {
        if path.is_dir() {
            find(&path, depth - 1, files)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(path);
        }
    }
    Ok(())
}

fn unread(path: &Path, error: &io::Error) -> Error {
    wrong(path, &format!("it can't be read: {error}"))
}

fn wrong(path: &Path, why: &str) -> Error {
    Error::Data { file: path.display().to_string(), why: why.to_owned() }
}

#[cfg(test)]
mod tests;
