//! A controller whose wall clock is wrong. One machine has one clock, so its process is given another by a library that is preloaded.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use isthmus_tests::{meshes::Mesh, wait::until};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::scene::{PATIENCE, SYSTEM, rolled_out_in};

const CONTROLLER: &str = "isthmus-controller";
const DEPLOYMENT: &str = "deployment/isthmus-controller";
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/federation/skew.c");
const LIBRARY: &str = "skew.so";
/// Age of the newest renewal of a lease in seconds, at most.
const RENEWED_WITHIN: i64 = 10;
/// Where the controller finds it.
const MOUNT: &str = "/skew";

/// While it lives, a mesh's controller reads another clock.
pub(crate) struct Skew<'a> {
    mesh: &'a Mesh,
    folder: PathBuf,
}

impl<'a> Skew<'a> {
    /// The library, made in this folder; the clock is still right.
    pub(crate) fn of(mesh: &'a Mesh, folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let library = folder.join(LIBRARY);
        let made = Command::new("cc").args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(SOURCE).output();
        let made = made.context("a C compiler (cc) makes the library that the test preloads")?;
        if !made.status.success() {
            bail!("cc {SOURCE}: {}", String::from_utf8_lossy(&made.stderr));
        }
        Ok(Self { mesh, folder: folder.to_owned() })
    }

    /// Returns when a controller with such a clock leads, and its clock has been seen to be so wrong.
    pub(crate) fn set(&self, seconds: i64) -> anyhow::Result<()> {
        let value = |name: &str, value: &str| json!({ "name": name, "value": value });
        let container = json!({
            "name": self.container()?,
            "env": [value("LD_PRELOAD", &format!("{MOUNT}/{LIBRARY}")), value("SKEW_SECONDS", &seconds.to_string())],
            "volumeMounts": [{ "name": "skew", "mountPath": MOUNT, "readOnly": true }]
        });
        let folder = self.folder.to_str().context("the folder's name isn't UTF-8")?;
        let volume = json!({ "name": "skew", "hostPath": { "path": folder, "type": "Directory" } });
        self.patch(&json!({ "containers": [container], "volumes": [volume] }))?;
        self.until_off_by(seconds)
    }

    /// Returns when it is right again.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        self.reset()?;
        self.until_off_by(0)
    }

    fn reset(&self) -> anyhow::Result<()> {
        let gone = |key: &str, value: &str| json!({ key: value, "$patch": "delete" });
        let container = json!({
            "name": self.container()?,
            "env": [gone("name", "LD_PRELOAD"), gone("name", "SKEW_SECONDS")],
            "volumeMounts": [gone("mountPath", MOUNT)]
        });
        self.patch(&json!({ "containers": [container], "volumes": [gone("name", "skew")] }))
    }

    fn container(&self) -> anyhow::Result<String> {
        let live = self.mesh.kubectl.get(SYSTEM, "deployment", CONTROLLER)?;
        let name = live.pointer("/spec/template/spec/containers/0/name").and_then(Value::as_str);
        Ok(name.context("the controller has no container")?.to_owned())
    }

    fn patch(&self, pod: &Value) -> anyhow::Result<()> {
        let patch = json!({ "spec": { "template": { "spec": pod } } }).to_string();
        self.mesh.kubectl.run(&["patch", "-n", SYSTEM, DEPLOYMENT, "--type=strategic", "-p", &patch])?;
        let logs = ["logs", "-n", SYSTEM, "-l", "app.kubernetes.io/name=isthmus-controller", "--tail=10", "--prefix"];
        rolled_out_in(self.mesh, SYSTEM, DEPLOYMENT)
            .with_context(|| self.mesh.kubectl.run(&logs).unwrap_or_else(|error| format!("{error:#}")))
    }

    /// The time that the leader writes into its Lease says what clock it has.
    fn until_off_by(&self, seconds: i64) -> anyhow::Result<()> {
        until(&format!("a leader whose clock is off by {seconds} s"), PATIENCE, || {
            let renewed = ["get", "lease", "-n", SYSTEM, CONTROLLER, "-o", "jsonpath={.spec.renewTime}"];
            let renewed = self.mesh.kubectl.run(&renewed)?;
            let now = Timestamp::now();
            let off = renewed.parse::<Timestamp>()?.as_second() - now.as_second();
            if !(seconds - RENEWED_WITHIN..=seconds + 1).contains(&off) {
                bail!("{CONTROLLER} was renewed at {renewed}, and now is {now}: {off} s");
            }
            println!("    at {now} the leader writes {renewed}");
            Ok(())
        })
    }
}

impl Drop for Skew<'_> {
    fn drop(&mut self) {
        // After `end` nothing is changed by it.
        if let Err(error) = self.reset() {
            println!("{error:#}");
        }
    }
}
