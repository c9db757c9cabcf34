//! The first process of a container.

use std::process::{Child, Command};

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::program::{Failure, step};
use super::spec::ContainerSpec;
use super::{NOT_STARTED, mounts, privileges};

/// Builds the file tree, starts the program, and lives as long as it does. Its end ends whatever else runs in the container.
pub(super) fn run(spec: &ContainerSpec) -> Result<u8, Failure> {
    set_pdeathsig(Signal::SIGKILL).map_err(step("tie the container to its node"))?;
    // First of all: a signal that comes from now on waits, and is passed on. Until then the kernel drops it, and the node waits.
    let all = SigSet::all();
    all.thread_block().map_err(step("block signals"))?;
    // Read from a descriptor, they stay blocked all the time: that is how the node sees that this process listens.
    let signals = SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC).map_err(step("receive signals"))?;
    mounts::build(spec)?;
    let program = start(spec)?;
    privileges::reduce(&spec.program)?;
    let pid = i32::try_from(program.id()).map(Pid::from_raw).map_err(|_| failure("the program has no process id"))?;
    loop {
        let signal = signals.read_signal().map_err(step("wait for a signal"))?;
        let number = signal.and_then(|signal| i32::try_from(signal.ssi_signo).ok());
        match number.and_then(|number| Signal::try_from(number).ok()) {
            None => {}
            Some(Signal::SIGCHLD) => {
                if let Some(code) = reap(pid) {
                    return Ok(code);
                }
            }
            // It may have ended in this moment.
            Some(other) => drop(kill(pid, other)),
        }
    }
}

/// The program is started by this same file once more: `run` gives privileges up, and unblocks signals.
fn start(spec: &ContainerSpec) -> Result<Child, Failure> {
    let program = serde_json::to_string(&spec.program)?;
    let mut command = Command::new("/proc/self/exe");
    command.args(&spec.helper).args(["run", &program]);
    command.spawn().map_err(|error| failure(&format!("start the container's program: {error}")))
}

/// Collects every process that has ended; the program's own exit code, if it is among them.
fn reap(program: Pid) -> Option<u8> {
    let mut outcome = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == program => {
                outcome = Some(u8::try_from(code & 0xff).unwrap_or(1))
            }
            // As shells say it: 128 and the signal's number.
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == program => {
                outcome = Some(u8::try_from(128 + signal as i32).unwrap_or(NOT_STARTED));
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return outcome,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return outcome,
        }
    }
}

fn failure(text: &str) -> Failure {
    Failure::new(NOT_STARTED, text.into())
}
