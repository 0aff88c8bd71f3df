//! What this kernel says of itself, for `chitin doctor`. What holds, a worker tells.

use landlock::LandlockStatus;
use nix::sys::utsname::uname;
use rustix::process::{Resource, getrlimit};

/// A resource limit: its name, the limit, none where there is none, its unit, and what an audit wants of it.
pub type Limit = (&'static str, Option<u64>, &'static str, &'static str);

/// What this kernel and this account have.
#[derive(Clone, Debug)]
pub struct Means {
    /// Name and release of the kernel.
    pub kernel: String,
    /// The version of landlock's interface; otherwise why there is none.
    pub landlock: Result<u32, &'static str>,
    /// Resource limits.
    pub limits: Vec<Limit>,
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
    let status =
        std::thread::Builder::new().spawn(super::files::status).ok().and_then(|tried| tried.join().ok());
    let landlock = match status {
        Some(LandlockStatus::Available { effective_abi, kernel_abi }) => {
            Ok(kernel_abi.and_then(|abi| u32::try_from(abi).ok()).unwrap_or(effective_abi as u32))
        }
        Some(LandlockStatus::NotEnabled) => Err("switched off in this kernel"),
        Some(LandlockStatus::NotImplemented) => Err("not in this kernel, or forbidden here"),
        None => Err("not known: no thread could be started to try it"),
    };
    let limit = |resource| getrlimit(resource).current;
    let limits = vec![
        ("address space", limit(Resource::As), " bytes", "16 GiB, of which it uses some 60 MiB"),
        ("open files", limit(Resource::Nofile), "", "32"),
        ("processes", limit(Resource::Nproc), " of this user, threads too", "8 more than run already"),
    ];
    Means { kernel, landlock, limits }
}
