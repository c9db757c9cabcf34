//! CustomResourceDefinitions from the Rust types. A test of `isthmus-k8s` fails when they drift.

use std::{fs, path::Path};

/// Writes `charts/isthmus-crds/crds` again.
pub(crate) fn generate() -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/isthmus-crds/crds");
    fs::create_dir_all(&folder)?;
    for (name, yaml) in isthmus_k8s::crd::files()? {
        fs::write(folder.join(&name), yaml)?;
        println!("charts/isthmus-crds/crds/{name}");
    }
    Ok(())
}
