//! The directory of keys, or memory in its place.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rcgen::KeyPair;

use super::PkiError;

/// Where keys are kept; without a directory each is made anew and kept nowhere.
pub(super) struct Folder {
    dir: Option<PathBuf>,
}

impl Folder {
    pub(super) fn open(dir: Option<&Path>) -> Result<Self, PkiError> {
        if let Some(dir) = dir {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
            made.map_err(|source| PkiError::Io { file: dir.to_owned(), source })?;
        }
        Ok(Self { dir: dir.map(Path::to_owned) })
    }

    /// The private key in this file, made and written if there is none.
    pub(super) fn key(&self, name: &str) -> Result<KeyPair, PkiError> {
        let pem = self.text(name, || {
            let key = KeyPair::generate().map_err(|source| PkiError::Issue { name: name.to_owned(), source })?;
            Ok(key.serialize_pem())
        })?;
        KeyPair::from_pem(&pem).map_err(|_| self.damaged(name))
    }

    /// The text of this file, made and written if there is none.
    pub(super) fn text(&self, name: &str, make: impl FnOnce() -> Result<String, PkiError>) -> Result<String, PkiError> {
        let Some(dir) = &self.dir else { return make() };
        let file = dir.join(name);
        match fs::read_to_string(&file) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = make()?;
                write(&file, &text).map_err(|source| PkiError::Io { file, source })?;
                Ok(text)
            }
            Err(source) => Err(PkiError::Io { file, source }),
        }
    }

    pub(super) fn damaged(&self, name: &str) -> PkiError {
        PkiError::DamagedFile { file: self.dir.clone().unwrap_or_default().join(name) }
    }
}

/// Whole or not at all, and readable by the owner only.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let partial = file.with_extension("partial");
    let mut out = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    fs::rename(&partial, file)
}
