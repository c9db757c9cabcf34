//! Lists the YAML files of cases and profiles, so that a new one is part of the program by being there.

use std::{env, fs, io, path::Path};

fn main() -> io::Result<()> {
    let root = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    // What is written holds paths: a checkout that has moved, with what was built in it, has others.
    println!("cargo:rerun-if-env-changed=CARGO_MANIFEST_DIR");
    for (folder, name) in [("cases", "CASES"), ("profiles", "PROFILES")] {
        println!("cargo:rerun-if-changed={folder}");
        let mut files = Vec::new();
        find(&Path::new(&root).join(folder), &mut files)?;
        files.sort();
        let entries: String = files
            .iter()
            .map(|file| {
                let id = Path::new(file).file_stem().unwrap_or_default().to_string_lossy().into_owned();
                format!("    ({id:?}, include_str!({file:?})),\n")
            })
            .collect();
        let text = format!("const {name}: &[(&str, &str)] = &[\n{entries}];\n");
        fs::write(Path::new(&out).join(format!("{folder}.rs")), text)?;
    }
    Ok(())
}

fn find(folder: &Path, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(())
}
