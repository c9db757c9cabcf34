//! The processes of pods, for signals that no API sends.

use std::{fs, io, path::Path};

use anyhow::bail;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// The program of this role in the pod: its environment names its pod, whose name nobody else has.
pub fn of_pod(pod: &str, role: &str) -> anyhow::Result<Pid> {
    for entry in fs::read_dir("/proc")?.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(pid) = pid.filter(|_| is_it(&entry.path(), pod, role).unwrap_or(false)) {
            return Ok(Pid::from_raw(pid));
        }
    }
    bail!("no process is the {role} of {pod}")
}

/// Other processes may be out of reach, or gone in this moment.
fn is_it(process: &Path, pod: &str, role: &str) -> io::Result<bool> {
    let has = |file: &str, word: &str| -> io::Result<bool> {
        let text = fs::read(process.join(file))?;
        Ok(text.split(|byte| *byte == 0).any(|each| each == word.as_bytes()))
    };
    Ok(has("cmdline", role)? && has("environ", &format!("POD_NAME={pod}"))?)
}

/// A process that stands still for as long as this lives.
#[derive(Debug)]
pub struct Stopped(Pid);

impl Stopped {
    /// `SIGSTOP`.
    pub fn stop(pid: Pid) -> anyhow::Result<Self> {
        kill(pid, Signal::SIGSTOP)?;
        Ok(Self(pid))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Err(error) = kill(self.0, Signal::SIGCONT) {
            println!("SIGCONT for {}: {error}", self.0);
        }
    }
}
