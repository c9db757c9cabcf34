//! One fault after the other: a program that can be broken, a mesh with it or two that are joined, the suite against that.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, bail};
use serde::Deserialize;

/// The cluster's name, or that of two together.
const TOGETHER: &str = "mutants";
/// Of the two, the one under test and its peer.
const MESHES: [&str; 2] = ["east", "west"];
/// As `crates/core/src/broken.rs` has it.
const VARIABLE: &str = "ISTHMUS_BROKEN";
/// Longest run of the suite, as `timeout` takes it: a mesh that is broken badly makes every case wait.
const LONGEST: &str = "900";

/// The program, in a folder where its clusters keep their state.
pub(super) struct Program {
    file: PathBuf,
    folder: PathBuf,
}

#[derive(Deserialize)]
struct Version {
    broken: Broken,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
}

#[derive(Deserialize)]
struct Broken {
    faults: Vec<String>,
}

impl Program {
    /// Builds it, unless there is one. It is copied, so that another build doesn't change it meanwhile.
    pub(super) fn ready(root: &Path, given: Option<&Path>) -> anyhow::Result<Self> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let folder = target.join("mutants");
        fs::create_dir_all(&folder)?;
        let built = match given {
            Some(file) => file.to_owned(),
            None => {
                let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
                cargo.args(["build", "--locked", "--package", "isthmus", "--features", "broken"]).current_dir(root);
                if !cargo.status().context("can't start cargo")?.success() {
                    bail!("isthmus can't be built with --features broken");
                }
                target.join("debug/isthmus")
            }
        };
        let file = folder.join("isthmus");
        // Written anew, not over: an earlier cluster may still run it.
        let _ = fs::remove_file(&file);
        fs::copy(&built, &file).with_context(|| format!("can't copy {}", built.display()))?;
        Ok(Self { file, folder })
    }

    /// Where results are kept.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The faults that it knows.
    pub(super) fn faults(&self) -> anyhow::Result<Vec<String>> {
        let output = self.isthmus("", &["version", "-o", "json"]).output()?;
        let version: Version = serde_json::from_slice(&output.stdout)
            .context("the program tells of no faults: it was built without --features broken")?;
        Ok(version.broken.faults)
    }

    /// The suite's cases.
    pub(super) fn cases(&self) -> anyhow::Result<BTreeSet<String>> {
        let output = self.isthmus("", &["conformance", "list", "-o", "json"]).output()?;
        succeed("conformance list", &output)?;
        let cases: Vec<Listed> = serde_json::from_slice(&output.stdout)?;
        Ok(cases.into_iter().map(|case| case.id).collect())
    }

    /// The suite's report on a mesh with a fault, or with none; of these cases alone, if some are given. `joined`: with a peer that has
    /// the same fault; without, cases of federation are skipped.
    pub(super) fn report(&self, fault: &str, joined: bool, only: Option<&BTreeSet<String>>) -> anyhow::Result<String> {
        // Of an interrupted run.
        let _ = self.isthmus("", &["down", "--name", TOGETHER]).output();
        let meshes = MESHES.join(",");
        let peer: &[&str] = if joined { &["--meshes", &meshes] } else { &[] };
        succeed("up", &self.isthmus(fault, &[&["up", "--detach", "--name", TOGETHER], peer].concat()).output()?)?;
        let kubeconfig = |cluster: &str| self.folder.join("state/isthmus").join(cluster).join("kubeconfig");
        let mut suite = Command::new("timeout");
        suite.arg(LONGEST).arg(&self.file).args(["conformance", "run", "-o", "json", "--kubeconfig"]);
        if joined {
            let [own, peer] = MESHES.map(kubeconfig);
            suite.arg(own).arg("--peer-kubeconfig").arg(peer);
        } else {
            suite.arg(kubeconfig(TOGETHER));
        }
        suite.args(only.into_iter().flatten().flat_map(|case| ["--filter", case.as_str()]));
        // The suite itself is sound.
        let output = suite.env_remove(VARIABLE).output().context("can't start timeout")?;
        succeed("down", &self.isthmus("", &["down", "--name", TOGETHER]).output()?)?;
        let report = String::from_utf8(output.stdout).context("the report isn't UTF-8")?;
        if report.trim().is_empty() {
            bail!("the suite made no report: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(report)
    }

    fn isthmus(&self, fault: &str, args: &[&str]) -> Command {
        let mut command = Command::new(&self.file);
        command.args(args).env(VARIABLE, fault).env("XDG_STATE_HOME", self.folder.join("state"));
        command
    }
}

fn succeed(what: &str, output: &Output) -> anyhow::Result<()> {
    if output.status.success() {
        return Ok(());
    }
    bail!("isthmus {what}: {}", String::from_utf8_lossy(&output.stderr))
}
