//! From root of the pod to whom the program shall run as.

use nix::sys::prctl::{set_keepcaps, set_no_new_privs, set_pdeathsig};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities,
};

use super::NOT_STARTED;
use super::program::{Failure, step};
use super::spec::ProgramSpec;

/// Gives up what the program shall not have. The order matters: groups need privileges, and so does the bounding set.
pub(super) fn drop_to(spec: &ProgramSpec) -> Result<(), Failure> {
    let allowed = match &spec.capabilities {
        Some(names) => named(names)?,
        None => CapabilitySet::all(),
    };
    if spec.capabilities.is_some() {
        limit(allowed)?;
    }
    let ambient = named(&spec.ambient)?;
    let becomes_user = spec.uid.is_some_and(|uid| uid != 0);
    if becomes_user && !ambient.is_empty() {
        set_keepcaps(true).map_err(step("keep capabilities"))?;
    }
    // In a user namespace with one user there is nobody else to belong to, and the kernel refuses the question.
    if spec.gid.is_some() || !spec.groups.is_empty() {
        let groups: Vec<Gid> = spec.groups.iter().copied().map(Gid::from_raw).collect();
        setgroups(&groups).map_err(step("set groups"))?;
    }
    if let Some(gid) = spec.gid {
        setgid(Gid::from_raw(gid)).map_err(step("set the group"))?;
    }
    if let Some(uid) = spec.uid {
        setuid(Uid::from_raw(uid)).map_err(step("set the user"))?;
    }
    if becomes_user {
        keep(ambient)?;
    } else if spec.capabilities.is_some() {
        let sets = capabilities(None).map_err(step("read capabilities"))?;
        let left = sets.permitted & allowed;
        let sets = CapabilitySets { effective: left, permitted: left, inheritable: CapabilitySet::empty() };
        set_capabilities(None, sets).map_err(step("drop capabilities"))?;
    }
    set_no_new_privs().map_err(step("forbid new privileges"))?;
    // After the change of user, which clears it.
    set_pdeathsig(Signal::SIGKILL).map_err(step("tie the program to its container"))
}

/// What the container's first process keeps once the program runs: what the program has, so that it is nobody to be protected from it
/// (`/proc/1/fd/1` can be written, say), and the right to pass signals on.
pub(super) fn reduce(spec: &ProgramSpec) -> Result<(), Failure> {
    let Some(names) = &spec.capabilities else { return Ok(()) };
    let held = capabilities(None).map_err(step("read capabilities"))?;
    let left = held.permitted & (named(names)? | CapabilitySet::KILL);
    let sets = CapabilitySets { effective: left, permitted: left, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).map_err(step("drop capabilities"))
}

/// Nothing beyond these can ever be regained.
fn limit(allowed: CapabilitySet) -> Result<(), Failure> {
    for capability in CapabilitySet::all().iter() {
        // A capability that this kernel doesn't know is an error, and no danger.
        if !allowed.contains(capability) && capability_is_in_bounding_set(capability).unwrap_or(false) {
            remove_capability_from_bounding_set(capability).map_err(step("drop a capability"))?;
        }
    }
    Ok(())
}

/// Only ambient capabilities survive exec by somebody who isn't root.
fn keep(ambient: CapabilitySet) -> Result<(), Failure> {
    let sets = CapabilitySets { effective: ambient, permitted: ambient, inheritable: ambient };
    set_capabilities(None, sets).map_err(step("keep capabilities"))?;
    for capability in ambient.iter() {
        configure_capability_in_ambient_set(capability, true).map_err(step("keep a capability"))?;
    }
    Ok(())
}

fn named(names: &[String]) -> Result<CapabilitySet, Failure> {
    names.iter().try_fold(CapabilitySet::empty(), |set, name| {
        let unknown =
            || Failure::new(NOT_STARTED, format!("unknown capability {name:?} in securityContext.capabilities"));
        Ok(set | CapabilitySet::from_name(name).ok_or_else(unknown)?)
    })
}
