//! System calls: seccomp's allow lists. What a list does not have is not carried out, and ends the process (see `trap`).
//!
//! The lists were recorded from honest audits, plain, deep and with policies of every language, on the C libraries of GNU and
//! musl (`runner/tests/confine.rs` records them again, and fails where a new one appears).

use std::collections::BTreeMap;
use std::str::FromStr as _;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule,
};
use syscalls::Sysno;

use super::{Profile, trap};

/// Memory, time, and threads of this process: what any program needs.
const ANY: &[&str] = &[
    "brk",
    "clock_getres",
    "clock_gettime",
    "clock_nanosleep",
    "close",
    "exit",
    "exit_group",
    "fstat",
    "futex",
    "getegid",
    "geteuid",
    "getgid",
    "getpid",
    "getrandom",
    "gettid",
    "gettimeofday",
    "getuid",
    "madvise",
    "membarrier",
    "mremap",
    "munmap",
    "nanosleep",
    "restart_syscall",
    "rseq",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    "sigaltstack",
    "sysinfo",
    "time",
];

/// Looking at files. Which ones can be opened is landlock's to say.
const FILES: &[&str] = &[
    "access",
    "faccessat",
    "faccessat2",
    "fstatfs",
    "getcwd",
    "getdents64",
    "lseek",
    "lstat",
    "newfstatat",
    "open",
    "openat",
    "openat2",
    "pread64",
    "readlink",
    "readlinkat",
    "stat",
    "statx",
];

/// A connection that stands.
const CONNECTION: &[&str] = &[
    "getpeername",
    "getsockname",
    "getsockopt",
    "poll",
    "ppoll",
    "recvfrom",
    "sendto",
    "setsockopt",
    "shutdown",
];

/// Further layers.
const LAYERS: &[&str] =
    &["landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "rt_sigaction", "seccomp"];

/// `PROT_EXEC` of the third argument of `mmap` and `mprotect`.
const EXECUTABLE: u64 = libc::PROT_EXEC as u64;

/// By which a stream is asked whether it is a terminal. The C libraries differ in its type.
#[allow(clippy::unnecessary_cast, reason = "only in some C libraries")]
const TERMINAL: u64 = libc::TCGETS as u64;

/// How memory is shared: the bits of the fourth argument of `mmap`, and what they are for memory of this process alone.
const SHARING: u64 = libc::MAP_TYPE as u64;
const PRIVATE: u64 = libc::MAP_PRIVATE as u64;

/// `PR_GET_AUXV`: what the kernel told this process of itself, such as the size of a page.
const GET_AUXV: i32 = 0x4155_5856;

/// What `clone` has for a thread of this process. One that lacks any of them is another process.
const THREAD: u64 = (libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_SIGHAND) as u64;

/// One that could make namespaces.
const NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;

/// Allows this thread, and those that it starts, only what the profile needs.
pub(super) fn enter(profile: &Profile<'_>) -> Result<(), String> {
    let filters = filters(profile).map_err(|error| format!("no filter of system calls: {error}"))?;
    trap::install();
    for filter in filters {
        // Of all threads: those that were started before must not be able to do more.
        seccompiler::apply_filter_all_threads(&filter)
            .map_err(|error| format!("seccomp is not to be had: {error}"))?;
    }
    Ok(())
}

/// The name of a system call.
#[must_use]
pub fn name_of(number: i32) -> String {
    let known = usize::try_from(number).ok().and_then(Sysno::new);
    known.map_or_else(|| format!("number {number}"), |call| call.name().to_owned())
}

/// The names of all that an audit may call, in either layer: for the test that compares them with what honest audits call.
#[must_use]
pub fn evaluate_calls() -> Vec<&'static str> {
    let limited = [
        "clone",
        "clone3",
        "fcntl",
        "ioctl",
        "mmap",
        "mprotect",
        "prctl",
        "prlimit64",
        "read",
        "recvmsg",
        "sendmsg",
        "tgkill",
    ];
    let output = ["readv", "write", "writev"];
    [ANY, FILES, LAYERS, &limited, &output].concat()
}

/// Arguments that are compared, by their places.
type Conditions = Vec<SeccompCondition>;

/// An allow list under way.
struct List(BTreeMap<i64, Vec<SeccompRule>>);

impl List {
    /// Allows calls whatever their arguments. A name that this architecture does not have is passed over.
    fn all(&mut self, names: &[&str]) {
        for name in names {
            if let Ok(call) = Sysno::from_str(name) {
                self.0.insert(i64::from(call.id()), Vec::new());
            }
        }
    }

    /// Allows a call where one of these sets of conditions holds.
    fn some(&mut self, name: &str, sets: Vec<Conditions>) -> Result<(), seccompiler::BackendError> {
        if let Ok(call) = Sysno::from_str(name) {
            let rules = sets.into_iter().map(SeccompRule::new).collect::<Result<Vec<_>, _>>()?;
            self.0.insert(i64::from(call.id()), rules);
        }
        Ok(())
    }
}

fn filters(profile: &Profile<'_>) -> Result<Vec<BpfProgram>, seccompiler::BackendError> {
    let is = |argument, value| SeccompCondition::new(argument, Length::Dword, Op::Eq, value);
    let at_most = |argument, value| SeccompCondition::new(argument, Length::Dword, Op::Le, value);
    let bits =
        |argument, mask, value| SeccompCondition::new(argument, Length::Qword, Op::MaskedEq(mask), value);
    let null = |argument| SeccompCondition::new(argument, Length::Qword, Op::Eq, 0);
    let mut list = List(BTreeMap::new());
    list.all(ANY);
    let threads = !matches!(profile, Profile::Compile);
    if threads {
        list.some("clone", vec![vec![bits(0, THREAD, THREAD)?, bits(0, NAMESPACES, 0)?]])?;
        // Its arguments lie in memory, where no filter sees them. It is answered as by a kernel that does not know it, below.
        list.all(&["clone3"]);
    }
    // Standard input, output and error are all that a process has to talk on.
    for name in ["write", "writev"] {
        list.some(name, vec![vec![at_most(0, 2)?]])?;
    }
    list.all(&["read", "readv"]);
    let own = u64::try_from(rustix::process::getpid().as_raw_nonzero().get()).unwrap_or(0);
    list.some("tgkill", vec![vec![is(0, own)?]])?;
    // Limits are asked for, not set.
    list.some("prlimit64", vec![vec![null(2)?]])?;
    let names =
        |option: i32| Ok::<_, seccompiler::BackendError>(vec![is(0, u64::try_from(option).unwrap_or(0))?]);
    let mut options = vec![names(libc::PR_SET_NAME)?, names(libc::PR_SET_VMA)?, names(GET_AUXV)?];
    match profile {
        Profile::Read { .. } => {
            list.all(FILES);
            list.all(LAYERS);
            options.push(names(libc::PR_SET_NO_NEW_PRIVS)?);
        }
        Profile::Evaluate { .. } => list.all(FILES),
        Profile::Compile => {}
        Profile::Probe => list.all(CONNECTION),
    }
    if matches!(profile, Profile::Read { .. } | Profile::Evaluate { .. }) {
        // The supervisor's channel.
        for name in ["recvmsg", "sendmsg"] {
            list.some(name, vec![vec![is(0, 0)?]])?;
        }
    }
    list.some("prctl", options)?;
    // Not those by which a descriptor sends signals to other processes.
    let commands = [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL];
    let command = |command: libc::c_int| Ok(vec![is(1, u64::try_from(command).unwrap_or(0))?]);
    let mut commands =
        commands.map(command).into_iter().collect::<Result<Vec<_>, seccompiler::BackendError>>()?;
    // Nor one by which another descriptor takes the number of a standard stream.
    let not_standard = SeccompCondition::new(2, Length::Dword, Op::Ge, 3)?;
    commands.push(vec![is(1, u64::try_from(libc::F_DUPFD_CLOEXEC).unwrap_or(0))?, not_standard]);
    list.some("fcntl", commands)?;
    // Whether a stream is a terminal, which whoever writes an error asks.
    list.some("ioctl", vec![vec![is(1, TERMINAL)?]])?;
    // Code is mapped before: that of built-in policies by the loader, that of others from their files.
    list.some("mprotect", vec![vec![bits(2, EXECUTABLE, 0)?]])?;
    // Nor is memory shared with a file: what is written to it would be written there.
    list.some("mmap", vec![vec![bits(2, EXECUTABLE, 0)?, bits(3, SHARING, PRIVATE)?]])?;
    let architecture = std::env::consts::ARCH.try_into()?;
    let mut filters = vec![
        SeccompFilter::new(list.0, SeccompAction::Trap, SeccompAction::Allow, architecture)?.try_into()?,
    ];
    // The second layer stands behind the first one.
    if threads && !matches!(profile, Profile::Evaluate { .. }) {
        let mut unknown = List(BTreeMap::new());
        unknown.all(&["clone3"]);
        let no_such = SeccompAction::Errno(u32::try_from(libc::ENOSYS).unwrap_or(0));
        // First, because the other one allows no further filter.
        filters.insert(
            0,
            SeccompFilter::new(unknown.0, SeccompAction::Allow, no_such, architecture)?.try_into()?,
        );
    }
    Ok(filters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn every_name_is_one_of_a_system_call() {
        for name in evaluate_calls().into_iter().chain(CONNECTION.iter().copied()) {
            assert!(Sysno::from_str(name).is_ok(), "{name}");
        }
        assert_eq!(name_of(41), "socket");
        assert_eq!(name_of(-1), "number -1");
    }

    #[test]
    fn every_profile_has_its_filters() {
        for (profile, count) in [
            (Profile::Read { roots: &[] }, 2),
            (Profile::Evaluate { roots: &[] }, 1),
            (Profile::Compile, 1),
            (Profile::Probe, 2),
        ] {
            assert_eq!(filters(&profile).unwrap().len(), count, "{profile:?}");
        }
    }
}
