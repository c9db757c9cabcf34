//! Manifests, as `kubectl -f` takes them.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::Context;
use isthmus_migrate::{Document, MAX_BYTES, read as parse};

use crate::args::Usage;

/// Reads files, folders and `-`. What can't be read is the user's to mend.
pub(super) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Document>> {
    let mut documents = Vec::new();
    for path in paths {
        for file in files(path).map_err(Usage)? {
            documents.extend(objects(&file).map_err(Usage)?);
        }
    }
    Ok(documents)
}

fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let named = || format!("reading the folder {}", path.display());
    let entries = fs::read_dir(path).with_context(named)?.collect::<io::Result<Vec<_>>>().with_context(named)?;
    let manifest =
        |file: &PathBuf| file.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json") && file.is_file();
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(manifest).collect();
    files.sort();
    if files.is_empty() {
        anyhow::bail!("{}: no .yaml, .yml or .json file in it", path.display());
    }
    Ok(files)
}

fn objects(path: &Path) -> anyhow::Result<Vec<Document>> {
    let mut text = String::new();
    let reader: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).with_context(|| path.display().to_string())?)
    };
    // One byte more than is read, so that what is longer is told and not cut.
    let most = u64::try_from(MAX_BYTES)?.saturating_add(1);
    reader.take(most).read_to_string(&mut text).with_context(|| path.display().to_string())?;
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    Ok(parse(&name, &text)?)
}
