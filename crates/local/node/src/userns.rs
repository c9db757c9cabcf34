//! Root, or a user namespace in its place.

use std::fs;
use std::io;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid};
use rustix::thread::{CapabilitySet, capabilities};

/// Why pods can't have namespaces here.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// The kernel, or a policy on top of it, refuses.
    #[error(
        "cannot {step}: {source}. Pods need namespaces of their own: run as root, or let users make them (sysctl {remedy})"
    )]
    Refused {
        /// What was tried.
        step: &'static str,
        /// The system's answer.
        source: io::Error,
        /// The setting that forbids it, with the value that would allow it.
        remedy: String,
    },
}

/// Makes sure that this process may make namespaces. Root with CAP_SYS_ADMIN and CAP_NET_ADMIN stays as it is; anybody else becomes root
/// of a new user namespace, in which only the caller's own user exists, but stays in the host's network namespace.
///
/// Must be called while the process has one thread, so before tokio starts. Returns whether a user namespace was entered.
///
/// # Errors
/// [`NamespaceError::Refused`] names the setting that forbids it.
pub fn enter_user_namespace_if_needed() -> Result<bool, NamespaceError> {
    let needed = CapabilitySet::SYS_ADMIN | CapabilitySet::NET_ADMIN;
    if capabilities(None).is_ok_and(|held| held.effective.contains(needed)) {
        return Ok(false);
    }
    let (uid, gid) = (Uid::effective(), Gid::effective());
    let step = |step| move |source: io::Error| NamespaceError::Refused { step, source, remedy: remedy(&sysctl) };
    unshare(CloneFlags::CLONE_NEWUSER).map_err(io::Error::from).map_err(step("make a user namespace"))?;
    for (file, text) in
        [("setgroups", "deny".to_owned()), ("uid_map", format!("0 {uid} 1")), ("gid_map", format!("0 {gid} 1"))]
    {
        fs::write(format!("/proc/self/{file}"), text).map_err(step("become root of a user namespace"))?;
    }
    // Some systems allow the namespace and then take all capabilities away in it.
    unshare(CloneFlags::CLONE_NEWIPC).map_err(io::Error::from).map_err(step("use a user namespace"))?;
    Ok(true)
}

/// The first setting that stands in the way.
fn remedy(sysctl: &dyn Fn(&str) -> Option<u64>) -> String {
    let blocks = [
        ("kernel.unprivileged_userns_clone", 0, "1"),
        ("kernel.apparmor_restrict_unprivileged_userns", 1, "0"),
        ("user.max_user_namespaces", 0, "15000"),
    ];
    let found = blocks.iter().find(|(name, blocked, _)| sysctl(name) == Some(*blocked));
    let (name, _, value) = found.unwrap_or(&("user.max_user_namespaces", 0, "15000"));
    format!("-w {name}={value}")
}

fn sysctl(name: &str) -> Option<u64> {
    fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).ok()?.trim().parse().ok()
}

/// Whether a user exists in this process's user namespace, so that a program can run as them.
pub fn user_exists(uid: u32) -> bool {
    fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| mapped(&map, uid))
}

/// Reads lines of `first-inside first-outside count`.
fn mapped(map: &str, uid: u32) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map_while(|number| number.parse::<u64>().ok());
        let (Some(first), Some(_), Some(count)) = (numbers.next(), numbers.next(), numbers.next()) else {
            return false;
        };
        (first..first.saturating_add(count)).contains(&u64::from(uid))
    })
}

#[cfg(test)]
mod tests;
