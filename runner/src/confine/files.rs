//! Files: landlock lets a process open for reading what lies beneath a few roots, and nothing for writing. It also keeps the
//! process from connecting, from signalling others, and from their abstract sockets, as far as the kernel knows how.

use std::os::fd::OwnedFd;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, LandlockStatus, PathBeneath, RestrictionStatus, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};
use rustix::fs::FileType;

/// The newest version of the interface whose rights are all asked for; of an older kernel the ones that it knows.
const NEWEST: ABI = ABI::V6;

/// Lets this thread, and those that it starts, read beneath the roots and nothing else.
pub(super) fn enter(roots: &[OwnedFd]) -> Result<(), String> {
    match restrict(roots) {
        Ok(RestrictionStatus { ruleset: RulesetStatus::NotEnforced, landlock, .. }) => Err(why_not(landlock)),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("landlock refused: {error}")),
    }
}

/// Enters the strictest rules, and tells what the kernel has. For a thread that ends behind it.
pub(super) fn status() -> LandlockStatus {
    restrict(&[]).map_or(LandlockStatus::NotImplemented, |status| status.landlock)
}

fn restrict(roots: &[OwnedFd]) -> Result<RestrictionStatus, RulesetError> {
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    for root in roots {
        let is_directory = rustix::fs::fstat(root)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
        let all = AccessFs::ReadFile | AccessFs::ReadDir;
        let access = if is_directory { all } else { AccessFs::ReadFile.into() };
        ruleset = ruleset.add_rule(PathBeneath::new(root, access))?;
    }
    ruleset.restrict_self()
}

fn why_not(status: LandlockStatus) -> String {
    match status {
        LandlockStatus::NotEnabled => "this kernel has landlock switched off",
        LandlockStatus::NotImplemented => "this kernel has no landlock, or something forbids it",
        LandlockStatus::Available { .. } => "landlock took no rule",
    }
    .to_owned()
}
