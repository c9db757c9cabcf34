//! From an image's name to a command line.

#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::config::Images;

/// An image that names no program; the text is for the container's status.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("image {image:?}: {why}")]
pub(crate) struct ImageError {
    image: String,
    why: String,
}

/// The command line of an image: `local/<program>` from the given PATH, `local//abs/path`, or one of the caller's.
pub(crate) fn command(images: &dyn Images, image: &str, path: Option<&OsStr>) -> Result<Vec<String>, ImageError> {
    let error = |why: String| ImageError { image: image.to_owned(), why };
    let name = without_tag(image);
    if let Some(program) = name.strip_prefix("local/") {
        let found = program_file(program, path).ok_or_else(|| {
            error(format!(
                "the host has no program {program:?} in its PATH. Install it, or name a file: local//path/to/program"
            ))
        })?;
        return Ok(vec![found.to_string_lossy().into_owned()]);
    }
    let command = images.command(name).ok_or_else(|| {
        error(
            "no such built-in program. An image here names a program of this machine, nothing is pulled: \
             use local/<program> for any program in the PATH"
                .into(),
        )
    })?;
    Ok(command.into_iter().map(|word| word.to_string_lossy().into_owned()).collect())
}

/// Cuts off `:tag` and `@digest`; a colon before the last slash belongs to the name.
fn without_tag(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    }
}

fn program_file(program: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    if program.starts_with('/') {
        return Some(PathBuf::from(program)).filter(|file| runs(file));
    }
    std::env::split_paths(path?).map(|directory| directory.join(program)).find(|file| runs(file))
}

fn runs(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
