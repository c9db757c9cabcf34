//! Protobuf contracts to Rust, with a compiler in Rust (`protox`): no `protoc` on the machine.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// Compiles `crates/api/proto` into `crates/api/src/generated`.
pub(crate) fn generate() -> anyhow::Result<()> {
    let api = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/api");
    generate_into(&api.join("src/generated"))
}

/// The same, into a folder of the caller's: the drift test compares it with what is committed.
pub(crate) fn generate_into(out: &Path) -> anyhow::Result<()> {
    let proto: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/api/proto");
    let descriptors = protox::compile(["control.proto", "federation.proto", "otlp.proto", "replica.proto"], [&proto])
        .context("crates/api/proto does not compile")?;
    std::fs::create_dir_all(out)?;
    tonic_prost_build::configure()
        .bytes(".")
        .out_dir(out)
        .compile_fds(descriptors)
        .context("the generator refused the contract")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_code_is_what_the_contract_generates() {
        let fresh = tempfile::tempdir().unwrap();
        super::generate_into(fresh.path()).unwrap();
        let committed = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/api/src/generated");
        for entry in std::fs::read_dir(fresh.path()).unwrap() {
            let name = entry.unwrap().file_name();
            let read = |dir: &std::path::Path| std::fs::read_to_string(dir.join(&name)).unwrap_or_default();
            assert_eq!(read(fresh.path()), read(&committed), "{name:?} is stale: run `cargo xtask proto`");
        }
    }
}
