//! What a node that was killed may have left: its state directory, and a process that its death didn't reach.
//!
//! The kernel ends all processes of a node that dies, and its namespaces with them. Should one survive, it carries the node's state
//! directory in its environment and is found by that.

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a process may take from `execve` to where its environment can be read.
const EXEC: Duration = Duration::from_secs(5);
/// The variable that names the node's state directory.
pub(crate) const MARK: &str = "ISTHMUS_LOCAL_NODE";
/// Names the process that uses a state directory: its id, and when it started.
const OWNER: &str = "owner";

/// Takes a state directory for this process, and removes what an earlier owner left in it.
pub(crate) fn claim(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    // Secrets' files are in there, readable by whoever runs in a pod, and by nobody else on the host.
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    match owner(directory) {
        Some(pid) if pid != std::process::id() => {
            let text =
                format!("{} is in use by process {pid}; give this node a directory of its own", directory.display());
            return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
        }
        Some(_) => {}
        None => end_marked(directory)?,
    }
    for left in ["pods", "logs"] {
        match fs::remove_dir_all(directory.join(left)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let pid = std::process::id();
    fs::write(directory.join(OWNER), format!("{pid} {}\n", start_time(pid).unwrap_or_default()))
}

/// Removes a state directory whose process has died, and ends what may be left of its pods. False: its process lives, and it stays.
///
/// # Errors
/// The system's; a directory that isn't there is none.
pub fn remove_leftovers(directory: &Path) -> io::Result<bool> {
    if owner(directory).is_some() {
        return Ok(false);
    }
    end_marked(directory)?;
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(true),
    }
}

/// The living process that uses a state directory.
fn owner(directory: &Path) -> Option<u32> {
    let (pid, start) = parse(&fs::read_to_string(directory.join(OWNER)).ok()?)?;
    (start_time(pid) == Some(start)).then_some(pid)
}

fn parse(text: &str) -> Option<(u32, u64)> {
    let (pid, start) = text.trim().split_once(' ')?;
    Some((pid.parse().ok()?, start.parse().ok()?))
}

/// When a process started, in clock ticks since the machine did; with the id, it names a process for good.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

/// Kills every process that carries the mark of this directory.
fn end_marked(directory: &Path) -> io::Result<()> {
    let mark = format!("{MARK}={}", directory.display());
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Some(environment) = environment(pid) else { continue };
        if environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()) {
            tracing::warn!(pid, "ending a process that an earlier node left");
            let _already_gone = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
    Ok(())
}

/// The variables that a process was started with; none of one that has ended or is out of reach.
fn environment(pid: i32) -> Option<Vec<u8>> {
    let deadline = Instant::now() + EXEC;
    loop {
        // Asked first: what is read after the answer "no" is all there is.
        let within_exec = within_exec(pid);
        let variables = fs::read(format!("/proc/{pid}/environ")).ok()?;
        if !variables.is_empty() || !within_exec || Instant::now() > deadline {
            return Some(variables);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a process has a new program whose stack the kernel hasn't laid out: its environment reads empty until then.
fn within_exec(pid: i32) -> bool {
    // Kernel threads and the dead have no program, and never will have an environment.
    let stat = fs::read_link(format!("/proc/{pid}/exe")).and_then(|_| fs::read_to_string(format!("/proc/{pid}/stat")));
    // `env_end`, field 51 of proc(5), is where the environment ends in memory: nowhere yet.
    stat.is_ok_and(|stat| stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(48)) == Some("0"))
}
