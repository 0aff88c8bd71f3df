//! Becoming the owner of an installation: root that audits another account's installation gives up its rights for good,
//! before it reads anything of the target, so that the kernel decides what may be read.

use std::sync::OnceLock;

use super::sysroot;
use nix::unistd::{Gid, Uid, User, getgrouplist, setgroups, setresgid, setresuid};

/// The group of an account that no group is known of (`nogroup` of Debian, `nobody` elsewhere).
const NO_GROUP: u32 = 65534;

/// The account that this process began as, whose `HOME` its environment has.
pub fn caller() -> u32 {
    static BEGAN_AS: OnceLock<u32> = OnceLock::new();
    *BEGAN_AS.get_or_init(|| rustix::process::geteuid().as_raw())
}

/// Becomes the owner where this process is root and the owner is not. Whether it worked, the process's user tells.
pub fn become_owner(owner: u32) {
    if !rustix::process::geteuid().is_root() || owner == 0 {
        return;
    }
    caller();
    let uid = Uid::from_raw(owner);
    let (gid, groups) = groups(uid);
    // In this order: who is no longer root can set no groups. In a container without the right to do it, or without the
    // account, nothing of it works, or only the first steps, which take rights away just the same.
    let _ =
        setgroups(&groups).and_then(|()| setresgid(gid, gid, gid)).and_then(|()| setresuid(uid, uid, uid));
    // Where a security setting of the process lets it keep its capabilities, they go with root's name.
    if !rustix::process::geteuid().is_root() {
        let _ = caps::clear(None, caps::CapSet::Effective)
            .and_then(|()| caps::clear(None, caps::CapSet::Permitted));
    }
}

/// The groups of an account. One that has no entry has none: the group of its files may not be its own.
fn groups(uid: Uid) -> (Gid, Vec<Gid>) {
    let none = Gid::from_raw(NO_GROUP);
    // An account of another file system is none of this machine's, though their numbers are the same.
    if sysroot::entered().is_some() {
        return (none, vec![none]);
    }
    let Ok(Some(user)) = User::from_uid(uid) else { return (none, vec![none]) };
    let name = std::ffi::CString::new(user.name).unwrap_or_default();
    let groups = getgrouplist(&name, user.gid).unwrap_or_else(|_| vec![user.gid]);
    (user.gid, groups)
}

/// The name of an account, as its user database has it.
#[must_use]
pub fn name_of(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}
