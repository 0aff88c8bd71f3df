//! What this kernel has of the means, for `chitin doctor`.

use landlock::LandlockStatus;
use nix::sys::utsname::uname;
use rustix::process::{Resource, getrlimit};

/// What this kernel and this account have.
#[derive(Clone, Debug)]
pub struct Means {
    /// Name and release of the kernel.
    pub kernel: String,
    /// The version of landlock's interface; otherwise why there is none.
    pub landlock: Result<u32, &'static str>,
    /// Filters of system calls can be installed.
    pub seccomp: bool,
    /// Resource limits by name: none where there is no limit.
    pub limits: Vec<(&'static str, Option<u64>)>,
}

/// Looks at them. What can only be known by trying is tried in a thread, which ends behind it: this process enters nothing.
#[must_use]
pub fn means() -> Means {
    let kernel = uname().map_or_else(
        |_| "unknown".to_owned(),
        |name| {
            let parts = [name.sysname(), name.release(), name.machine()];
            parts.map(|part| part.to_string_lossy().into_owned()).join(" ")
        },
    );
    let landlock = match tried(super::files::status) {
        Some(LandlockStatus::Available { effective_abi, kernel_abi }) => {
            Ok(kernel_abi.and_then(|abi| u32::try_from(abi).ok()).unwrap_or(effective_abi as u32))
        }
        Some(LandlockStatus::NotEnabled) => Err("switched off in this kernel"),
        _ => Err("not in this kernel, or forbidden here"),
    };
    let limits = [
        ("address space", Resource::As),
        ("open files", Resource::Nofile),
        ("processes", Resource::Nproc),
        ("size of files", Resource::Fsize),
    ];
    let limits = limits.map(|(name, resource)| (name, getrlimit(resource).current));
    let seccomp = tried(super::system_calls::is_possible).unwrap_or(false);
    Means { kernel, landlock, seccomp, limits: limits.into() }
}

/// The result of an attempt that changes the thread that makes it; none where no thread can be started.
fn tried<T: Send + 'static>(attempt: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    std::thread::Builder::new().spawn(attempt).ok()?.join().ok()
}
