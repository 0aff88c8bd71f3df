//! Privileges and resource limits: none can be gained, and root's are given up but for that of reading.

use caps::{CapSet, Capability, CapsHashSet};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Gives up what an audit does not need. Where the owner of the installation is root, the right to read is kept.
pub(super) fn enter() -> Result<(), String> {
    // Neither is needed, and both are limits that everybody may set.
    for resource in [Resource::Core, Resource::Fsize] {
        let _ = setrlimit(resource, Rlimit { current: Some(0), maximum: Some(0) });
    }
    hide();
    rustix::thread::set_no_new_privs(true).map_err(|errno| format!("no_new_privs: {errno}"))?;
    give_up().map_err(|error| format!("capabilities: {error}"))
}

/// Lets no other process of the same account look into this one, or take its descriptors.
pub fn hide() {
    // Where it cannot be had, accounts are all that keeps them apart.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Keeps of the capabilities the one of reading, where it is there.
fn give_up() -> Result<(), caps::errors::CapsError> {
    let held = caps::read(None, CapSet::Permitted)?;
    if held.is_empty() {
        return Ok(());
    }
    let kept: CapsHashSet =
        [Capability::CAP_DAC_READ_SEARCH].into_iter().filter(|one| held.contains(one)).collect();
    // The inheritable ones first: what is not permitted cannot be changed any more.
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new())?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)
}

/// Takes from this process, and from those that it starts, root's right to pass over the modes of files: what it does from then on is
/// what an ordinary account would see. Accounts without that right have nothing to lose.
pub fn obey_modes() {
    for capability in [Capability::CAP_DAC_OVERRIDE, Capability::CAP_DAC_READ_SEARCH] {
        // The bounding set first: a program that root starts has what that one holds.
        for set in [CapSet::Bounding, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
            // Where it cannot be given up, the caller finds that it can still read.
            let _ = caps::drop(None, set, capability);
        }
    }
}
