//! The wall behind the sandbox, as it is met by somebody who has taken over a process of this program: each attack is native
//! code that runs after the layers were entered, in a process of its own, and must come to nothing.
//!
//! The processes are this test's own binary. They enter the layers by the functions that the worker, the compiler and the
//! caller of a gateway enter them by.

#![allow(
    unsafe_code,
    reason = "the attacks are system calls, made as somebody would who has taken over the process"
)]
#![allow(clippy::print_stdout, reason = "an attack tells what became of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unnecessary_wraps,
    reason = "a test that is set up wrongly must stop, and makes the targets that it looks at"
)]

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use chitin::confine::{self, Layer, Profile};
use chitin_test_support::guest;
use libc::{c_long, syscall};
use libtest_mimic::{Arguments, Failed, Trial};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use serde_json::Value;

/// What an attacker knows of the machine.
struct Place {
    /// The state directory, which may be read.
    target: PathBuf,
    /// A file beside it, which may not.
    canary: PathBuf,
    /// A file that is open for writing, as one that was inherited.
    inherited: i32,
}

/// One attack: where the system call succeeds, the wall has a hole.
type Attack = (&'static str, fn(&Place) -> c_long);

fn text(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn open(path: &Path, flags: i32) -> c_long {
    // SAFETY: a path that lives as long as the call.
    unsafe { syscall(libc::SYS_openat, libc::AT_FDCWD, text(path).as_ptr(), flags, 0o600) }
}

fn parent() -> libc::pid_t {
    // SAFETY: no arguments.
    unsafe { libc::getppid() }
}

fn memory(protection: i32) -> *mut libc::c_void {
    mapped(protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)
}

fn mapped(protection: i32, flags: i32, descriptor: i32) -> *mut libc::c_void {
    // SAFETY: memory at an address of the kernel's choice.
    unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, flags, descriptor, 0) }
}

/// Raw system calls with numbers alone, whose arguments point at nothing.
macro_rules! raw {
    ($call:ident $(, $argument:expr)*) => {
        // SAFETY: numbers, and pointers to what lives as long as the call.
        unsafe { syscall(libc::$call $(, $argument)*) }
    };
}

const NEW_NAMESPACE: i32 = libc::CLONE_NEWUSER;

/// What no process of this program may do, whatever it is for.
const EVERYWHERE: &[Attack] = &[
    ("write a file of the target", |place| open(&place.target.join("file"), libc::O_WRONLY)),
    ("make a file in the target", |place| open(&place.target.join("new"), libc::O_WRONLY | libc::O_CREAT)),
    ("make a file in /tmp", |_| open(Path::new("/tmp/chitin-attack"), libc::O_RDWR | libc::O_CREAT)),
    ("make a file without a name", |_| open(Path::new("/tmp"), libc::O_RDWR | libc::O_TMPFILE)),
    ("read /etc/passwd", |_| open(Path::new("/etc/passwd"), libc::O_RDONLY)),
    ("read the canary beside the target", |place| open(&place.canary, libc::O_RDONLY)),
    ("read the canary by a way around", |place| open(&place.target.join("../canary"), libc::O_RDONLY)),
    ("list /", |_| open(Path::new("/"), libc::O_RDONLY | libc::O_DIRECTORY)),
    ("read the memory of the parent", |_| {
        open(Path::new(&format!("/proc/{}/mem", parent())), libc::O_RDONLY)
    }),
    ("write to a descriptor that was inherited", |place| raw!(SYS_write, place.inherited, c"x".as_ptr(), 1)),
    ("write there at a place", |place| raw!(SYS_pwrite64, place.inherited, c"x".as_ptr(), 1, 0)),
    ("write there through memory", |place| {
        answered(mapped(libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, place.inherited))
    }),
    ("share memory with what was inherited", |place| {
        answered(mapped(libc::PROT_READ, libc::MAP_SHARED, place.inherited))
    }),
    ("take the number of a standard stream", |place| {
        raw!(SYS_fcntl, place.inherited, libc::F_DUPFD_CLOEXEC, 1)
    }),
    ("cut what was inherited", |place| raw!(SYS_ftruncate, place.inherited, 0)),
    ("make a socket", |_| raw!(SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0)),
    ("make a datagram socket", |_| raw!(SYS_socket, libc::AF_INET6, libc::SOCK_DGRAM, 0)),
    ("make a local socket", |_| raw!(SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM, 0)),
    ("make a netlink socket", |_| raw!(SYS_socket, libc::AF_NETLINK, libc::SOCK_RAW, 0)),
    ("connect standard input", |_| {
        raw!(SYS_connect, 0, [2_u8, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0].as_ptr(), 16)
    }),
    ("bind standard input", |_| raw!(SYS_bind, 0, b"\x01\0\0abstract".as_ptr(), 11)),
    ("fork", |_| raw!(SYS_clone, libc::SIGCHLD, 0, 0, 0, 0)),
    ("fork by clone3", |_| raw!(SYS_clone3, [0_u64; 11].as_ptr(), 88)),
    ("a thread in a new namespace", |_| raw!(SYS_clone, NEW_NAMESPACE | libc::SIGCHLD, 0, 0, 0, 0)),
    ("run a program", |_| {
        raw!(SYS_execve, c"/bin/true".as_ptr(), std::ptr::null::<u8>(), std::ptr::null::<u8>())
    }),
    ("run a program by a descriptor", |_| {
        raw!(
            SYS_execveat,
            1,
            c"".as_ptr(),
            std::ptr::null::<u8>(),
            std::ptr::null::<u8>(),
            libc::AT_EMPTY_PATH
        )
    }),
    ("a file in memory", |_| raw!(SYS_memfd_create, c"x".as_ptr(), 0)),
    ("trace the parent", |_| raw!(SYS_ptrace, libc::PTRACE_ATTACH, parent(), 0, 0)),
    ("write into the parent", |_| raw!(SYS_process_vm_writev, parent(), 0, 0, 0, 0, 0)),
    ("take a descriptor of the parent", |_| raw!(SYS_pidfd_open, parent(), 0)),
    ("kill the parent", |_| raw!(SYS_kill, parent(), libc::SIGTERM)),
    ("kill the parent's thread", |_| raw!(SYS_tgkill, parent(), parent(), libc::SIGTERM)),
    ("kill all", |_| raw!(SYS_kill, -1, 0)),
    ("let a descriptor signal the parent", |_| raw!(SYS_fcntl, 1, libc::F_SETOWN, parent())),
    ("mount", |_| raw!(SYS_mount, c"none".as_ptr(), c"/tmp".as_ptr(), c"tmpfs".as_ptr(), 0, 0)),
    ("leave the namespaces", |_| raw!(SYS_unshare, NEW_NAMESPACE)),
    ("enter a namespace", |_| raw!(SYS_setns, 1, 0)),
    ("another root", |_| raw!(SYS_chroot, c"/tmp".as_ptr())),
    ("another directory", |_| raw!(SYS_chdir, c"/".as_ptr())),
    ("io_uring", |_| raw!(SYS_io_uring_setup, 4, [0_u8; 120].as_ptr())),
    ("a program in the kernel", |_| raw!(SYS_bpf, 0, [0_u8; 128].as_ptr(), 128)),
    ("measure the kernel", |_| raw!(SYS_perf_event_open, [0_u8; 128].as_ptr(), 0, -1, -1, 0)),
    ("faults handled by this process", |_| raw!(SYS_userfaultfd, 0)),
    ("keys of the kernel", |_| raw!(SYS_keyctl, 0, 0, 0, 0, 0)),
    ("open by an object's number", |_| raw!(SYS_open_by_handle_at, 0, [0_u8; 128].as_ptr(), 0)),
    ("change a mode", |place| {
        raw!(SYS_fchmodat, libc::AT_FDCWD, text(&place.target.join("file")).as_ptr(), 0o777)
    }),
    ("change the mode of what was inherited", |place| raw!(SYS_fchmod, place.inherited, 0o777)),
    ("change an owner", |place| {
        raw!(SYS_fchownat, libc::AT_FDCWD, text(&place.target.join("file")).as_ptr(), 0, 0, 0)
    }),
    ("change a time", |place| {
        raw!(SYS_utimensat, libc::AT_FDCWD, text(&place.target.join("file")).as_ptr(), 0, 0)
    }),
    ("change an attribute", |place| {
        raw!(SYS_setxattr, text(&place.target.join("file")).as_ptr(), c"user.x".as_ptr(), c"x".as_ptr(), 1, 0)
    }),
    ("link", |place| {
        let (from, to) = (text(&place.target.join("file")), text(&place.target.join("link")));
        raw!(SYS_linkat, libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), 0)
    }),
    ("rename", |place| {
        let (from, to) = (text(&place.target.join("file")), text(&place.target.join("renamed")));
        raw!(SYS_renameat2, libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), 0)
    }),
    ("remove", |place| raw!(SYS_unlinkat, libc::AT_FDCWD, text(&place.target.join("file")).as_ptr(), 0)),
    ("make a link", |place| {
        raw!(SYS_symlinkat, c"/etc".as_ptr(), libc::AT_FDCWD, text(&place.target.join("etc")).as_ptr())
    }),
    ("make a directory", |place| {
        raw!(SYS_mkdirat, libc::AT_FDCWD, text(&place.target.join("folder")).as_ptr(), 0o700)
    }),
    ("make a pipe with a name", |place| {
        raw!(SYS_mknodat, libc::AT_FDCWD, text(&place.target.join("pipe")).as_ptr(), libc::S_IFIFO | 0o600, 0)
    }),
    ("watch files", |_| raw!(SYS_inotify_init1, 0)),
    ("shared memory", |_| raw!(SYS_shmget, 0, 4096, libc::IPC_CREAT | 0o600)),
    ("type into the terminal", |_| raw!(SYS_ioctl, 0, libc::TIOCSTI, c"x".as_ptr())),
    ("raise a limit", |_| raw!(SYS_prlimit64, 0, libc::RLIMIT_FSIZE, [u64::MAX; 2].as_ptr(), 0)),
    ("another account", |_| raw!(SYS_setresuid, 0, 0, 0)),
    ("a dump of this process", |_| raw!(SYS_prctl, libc::PR_SET_DUMPABLE, 1, 0, 0, 0)),
    ("outlive the supervisor", |_| raw!(SYS_setsid)),
];

/// What a worker may not do once policies run, and a compiler and a caller never.
const WITHOUT_LAYERS: &[Attack] = &[
    ("a further filter", |_| raw!(SYS_seccomp, 1, 0, [0_u8; 16].as_ptr())),
    ("a handler of signals", |_| raw!(SYS_rt_sigaction, libc::SIGSYS, 0, 0, 8)),
];

/// Code that this program did not have when it began.
const NEW_CODE: &[Attack] = &[
    ("memory that can be run", |_| answered(memory(libc::PROT_READ | libc::PROT_EXEC))),
    ("memory that can be written and run", |_| {
        answered(memory(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC))
    }),
    ("make memory one that can be run", |_| {
        raw!(SYS_mprotect, memory(libc::PROT_READ), 4096, libc::PROT_READ | libc::PROT_EXEC)
    }),
];

fn answered(memory: *mut libc::c_void) -> c_long {
    if memory == libc::MAP_FAILED { -1 } else { 0 }
}

/// The layers by their names.
const LAYERS: [&str; 4] = ["read", "evaluate", "compile", "probe"];

fn attacks(layer: &str) -> impl Iterator<Item = &'static Attack> {
    let more = if layer == "read" { &[] } else { WITHOUT_LAYERS };
    EVERYWHERE.iter().chain(NEW_CODE).chain(more)
}

/// Enters a layer as the processes of this program do.
fn enter(layer: &str, target: &Path) -> Vec<(Layer, Result<(), String>)> {
    let roots = || vec![OwnedFd::from(fs::File::open(target).unwrap())];
    match layer {
        "read" => confine::enter(&Profile::Read { roots: &roots() }),
        "evaluate" => {
            let roots = roots();
            let mut entered = confine::enter(&Profile::Read { roots: &roots });
            entered.extend(confine::enter(&Profile::Evaluate { roots: &roots }));
            entered
        }
        "compile" => confine::enter(&Profile::Compile),
        _ => confine::enter(&Profile::Probe),
    }
}

/// The attacked process: enters the layer, attacks, and says what became of it.
fn attacked(layer: &str, name: &str, home: &Path) -> ExitCode {
    let (_, attack) = attacks(layer).find(|(known, _)| *known == name).unwrap();
    let inherited = fs::OpenOptions::new().write(true).open(home.join("inherited")).unwrap();
    let place =
        Place { target: home.join("target"), canary: home.join("canary"), inherited: inherited.as_raw_fd() };
    if layer != "none" {
        for (layer, became) in enter(layer, &place.target) {
            if let Err(reason) = became {
                println!("missing {layer}: {reason}");
            }
        }
    }
    if attack(&place) >= 0 { ExitCode::from(42) } else { ExitCode::SUCCESS }
}

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("target")).unwrap();
    for file in ["target/file", "canary", "inherited"] {
        fs::write(home.path().join(file), "text").unwrap();
    }
    home
}

/// Every attack on a layer comes to nothing.
fn fails(layer: &'static str) -> Result<(), Failed> {
    let mut holes = BTreeSet::new();
    for (name, _) in attacks(layer) {
        let home = home();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["attack", layer, name])
            .arg(home.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        if !said.is_empty() {
            println!("{layer}: not tested in full: {said}");
        }
        // Without a layer an attack may come to nothing by itself; with it, it always must.
        match output.status.code() {
            Some(0 | confine::STATUS) => {}
            other => drop(holes.insert(format!("{name} ({other:?})"))),
        }
        let listing = |path: PathBuf| fs::read_dir(path).unwrap().count();
        let untouched = fs::read(home.path().join("inherited")).unwrap() == b"text"
            && fs::read(home.path().join("target/file")).unwrap() == b"text"
            && listing(home.path().join("target")) == 1
            && listing(home.path().to_owned()) == 3;
        if !untouched {
            holes.insert(format!("{name} (it left something behind)"));
        }
    }
    if holes.is_empty() { Ok(()) } else { Err(format!("{layer}: {holes:?}").into()) }
}

/// The attacks are attacks: most of them succeed where there is no wall.
fn succeed_without_a_wall() -> Result<(), Failed> {
    let must = ["read /etc/passwd", "make a socket", "change a mode", "rename", "a file in memory", "fork"];
    for name in must {
        let home = home();
        let code = Command::new(std::env::current_exe().unwrap())
            .args(["attack", "none", name])
            .arg(home.path())
            .stdin(Stdio::null())
            .status()
            .unwrap()
            .code();
        if code != Some(42) {
            return Err(format!("{name} ends with {code:?}").into());
        }
    }
    Ok(())
}

/// A worker that makes a refused call says which one.
fn a_refused_call_is_named() -> Result<(), Failed> {
    let home = home();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["attack", "read", "make a socket"])
        .arg(home.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    let name = confine::call_in(&words).map(confine::name_of);
    if name.as_deref() == Some("socket") && output.status.code() == Some(confine::STATUS) {
        return Ok(());
    }
    Err(format!("{name:?} {words} {}", output.status).into())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The demo installation in a home directory of its own.
fn demo() -> tempfile::TempDir {
    let home = tempfile::Builder::new().prefix("chitin-confine-").tempdir().unwrap();
    let made = Command::new(root().join("tests/corpus/demo/install")).arg(home.path()).status().unwrap();
    assert!(made.success());
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    home
}

/// The program, with nothing of the caller's environment, started by another one.
fn by(home: &Path, program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", home);
    command.env("SOURCE_DATE_EPOCH", "1700000000").current_dir(home);
    command
}

const CHITIN: &str = env!("CARGO_BIN_EXE_chitin");

/// An audit's report, without what it says of the confinement; and the layers that are missing.
fn audited(command: &mut Command) -> Result<(Value, Vec<String>), Failed> {
    let output = command.output().unwrap();
    let mut report: Value = serde_json::from_slice(&output.stdout).map_err(|error| {
        format!(
            "{error}: {} {}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    })?;
    let confinement = report.as_object_mut().unwrap().remove("confinement").unwrap();
    let missing = confinement["missing"].as_array().unwrap().iter();
    Ok((report, missing.map(|missing| missing["layer"].as_str().unwrap().to_owned()).collect()))
}

/// What a surrounding is made by: a script that ends in `exec "$0" "$@"`, or this test's own binary.
enum Made {
    Script(&'static str),
    Launcher(&'static [&'static str]),
}

/// An audit says the same wherever it runs, and says what it lacks.
fn surrounded(made: &Made, lacks: &[&str]) -> Result<(), Failed> {
    let home = demo();
    let state = home.path().join(".openclaw");
    let audit = ["audit", "--json", "--state-dir", state.to_str().unwrap()];
    let (control, none) = audited(&mut by(home.path(), Path::new(CHITIN), &audit))?;
    if !none.is_empty() {
        println!("this machine lacks {none:?} in any surroundings; not compared");
        return Ok(());
    }
    let own = std::env::current_exe().unwrap();
    let mut command = match made {
        Made::Script(script) => by(home.path(), Path::new("/bin/sh"), &["-c", script, CHITIN]),
        Made::Launcher(words) => by(home.path(), &own, &[&["launch"], *words, &["--", CHITIN]].concat()),
    };
    command.args(audit);
    if let Made::Script(script) = made
        && script.contains("unshare")
    {
        let probe = by(home.path(), Path::new("/bin/sh"), &["-c", "unshare -m -n true"]).output().unwrap();
        if !probe.status.success() {
            println!("no namespaces here; not tested: {script}");
            return Ok(());
        }
    }
    let (report, missing) = audited(&mut command)?;
    if missing != lacks {
        return Err(format!("missing {missing:?}, expected {lacks:?}").into());
    }
    if report == control { Ok(()) } else { Err(format!("{report:#}\n{control:#}").into()) }
}

/// Becomes a program that lives under a filter of its surroundings, or forbids itself to make memory executable.
fn launch(words: &[String]) -> ExitCode {
    let end = words.iter().position(|word| word == "--").unwrap();
    let (calls, program) = (&words[..end], &words[end + 1..]);
    if calls == ["mdwe"] {
        // SAFETY: numbers alone.
        let done = unsafe { libc::prctl(65, 1, 0, 0, 0) };
        if done != 0 {
            println!("no PR_SET_MDWE in this kernel");
        }
    } else {
        let number = |name: &String| i64::from(name.parse::<syscalls::Sysno>().unwrap().id());
        let rules = calls.iter().map(|name| (number(name), Vec::new())).collect();
        let no_such = SeccompAction::Errno(u32::try_from(libc::ENOSYS).unwrap());
        let architecture = std::env::consts::ARCH.try_into().unwrap();
        let filter: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, no_such, architecture)
            .unwrap()
            .try_into()
            .unwrap();
        seccompiler::apply_filter(&filter).unwrap();
    }
    let error = Command::new(&program[0]).args(&program[1..]).exec();
    panic!("{error}");
}

const LANDLOCK: [&str; 3] = ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"];

/// The surroundings, by their names.
fn surroundings() -> Vec<(&'static str, Made, &'static [&'static str])> {
    vec![
        ("no network", Made::Script("exec unshare -n \"$0\" \"$@\""), &[]),
        (
            "no path that can be written to",
            Made::Script(
                "exec unshare -m sh -c 'for place in $(cut -d\" \" -f2 /proc/mounts); do mount -o remount,bind,ro \
                 $place 2>/dev/null; done; touch $HOME/x 2>/dev/null && exit 9; exec \"$0\" \"$@\"' \"$0\" \"$@\"",
            ),
            &[],
        ),
        (
            "no /proc",
            Made::Script(
                "exec unshare -m sh -c 'mount -t tmpfs none /proc && exec \"$0\" \"$@\"' \"$0\" \"$@\"",
            ),
            &[],
        ),
        ("small limits", Made::Script("ulimit -n 32; ulimit -c 0; ulimit -f 0; exec \"$0\" \"$@\""), &[]),
        ("no memory that can be made executable", Made::Launcher(&["mdwe"]), &[]),
        (
            "an old kernel",
            Made::Launcher(&[LANDLOCK[0], LANDLOCK[1], LANDLOCK[2], "openat2", "clone3"]),
            &["files"],
        ),
        ("filters are forbidden", Made::Launcher(&["seccomp"]), &["system-calls"]),
        (
            "neither of both",
            Made::Launcher(&["seccomp", LANDLOCK[0], LANDLOCK[1], LANDLOCK[2]]),
            &["files", "system-calls"],
        ),
    ]
}

/// Where a policy cannot reserve what it wants, one line says so.
fn little_address_space() -> Result<(), Failed> {
    let home = demo();
    let script = "ulimit -v 524288; exec \"$0\" audit --json";
    let (report, missing) = audited(&mut by(home.path(), Path::new("/bin/sh"), &["-c", script, CHITIN]))?;
    let told: Vec<&str> = report["incomplete"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["reason"].as_str().unwrap())
        .collect();
    match told.as_slice() {
        [one] if one.starts_with("address space limit: 512 MiB allowed") && missing.is_empty() => Ok(()),
        _ => Err(format!("{told:?} {missing:?}").into()),
    }
}

/// `--confine required` audits with all or not at all, and reads nothing before it knows.
fn all_or_nothing() -> Result<(), Failed> {
    let home = demo();
    let own = std::env::current_exe().unwrap();
    let run = |words: &[&str]| {
        let words = [words, &["--", CHITIN, "audit", "--confine", "required"]].concat();
        by(home.path(), &own, &[&["launch"], words.as_slice()].concat()).output().unwrap()
    };
    let refused = run(&LANDLOCK);
    let words = String::from_utf8(refused.stderr).unwrap();
    let named = words.contains("--confine required: files (this kernel has no landlock")
        && words.contains("chitin doctor");
    if refused.status.code() != Some(2) || !refused.stdout.is_empty() || !named {
        return Err(format!("{} {words}", refused.status).into());
    }
    match by(home.path(), Path::new(CHITIN), &["audit", "--confine", "required"])
        .output()
        .unwrap()
        .status
        .code()
    {
        Some(1) => Ok(()),
        other => Err(format!("with all layers: {other:?}").into()),
    }
}

/// The doctor says what there is, and what is missing, and stays well itself.
fn told_by_the_doctor() -> Result<(), Failed> {
    let home = demo();
    let doctor = |command: &mut Command| {
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, told) = doctor(&mut by(home.path(), Path::new(CHITIN), &["doctor"]));
    let settings = home.path().join(".config/chitin/chitin.toml").display().to_string();
    if code != Some(0) || !told.contains("landlock") || !told.contains(&settings) {
        return Err(format!("{code:?} {told}").into());
    }
    let words = [&["launch"], LANDLOCK.as_slice(), &["seccomp", "--", CHITIN, "doctor"]].concat();
    let (code, told) = doctor(&mut by(home.path(), &std::env::current_exe().unwrap(), &words));
    let missing = told.lines().filter(|line| line.contains(" MISSING (")).count();
    if code == Some(0) && missing == 2 { Ok(()) } else { Err(format!("{code:?} {told}").into()) }
}

/// The system calls of an honest audit's worker, behind its first layer, as `strace` sees them; none where there is none.
fn traced(home: &Path, arguments: &[&str]) -> Option<Vec<String>> {
    let trace = home.join("trace");
    let strace = Path::new("/usr/bin/strace");
    if !strace.exists() {
        println!("no strace here");
        return None;
    }
    let words = ["-f", "-qq", "-o", trace.to_str().unwrap(), CHITIN];
    let output = by(home, strace, &[&words, arguments].concat()).output().unwrap();
    let text = fs::read_to_string(&trace).unwrap_or_default();
    if text.is_empty() {
        println!("nothing can be traced here: {}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    fs::remove_file(trace).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}

/// The name of the call of a line of a trace: `123 openat(...`; none where it tells of something else.
fn call(line: &str) -> Option<(&str, &str)> {
    let (pid, rest) = line.split_once(' ')?;
    let rest = rest.trim_start();
    let end = rest.find('(')?;
    let name = &rest[..end];
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_').then_some((pid, name))
}

/// The restrictions stand before the first byte of the config is read, and the supervisor reads nothing of it at all.
fn restricted_before_it_reads() -> Result<(), Failed> {
    let home = demo();
    let Some(lines) = traced(home.path(), &["audit"]) else { return Ok(()) };
    let opens = |line: &&String| {
        let is_open = call(line).is_some_and(|(_, name)| name.starts_with("open"));
        is_open && line.contains("openclaw.json\"") && !line.contains("O_PATH")
    };
    let opened: Vec<&String> = lines.iter().filter(opens).collect();
    let Some(first) = lines.iter().position(|line| opens(&line)) else {
        return Err("the config is never opened".into());
    };
    let worker =
        lines.iter().find(|line| line.contains("landlock_restrict_self(")).and_then(|line| call(line));
    let Some((worker, _)) = worker else {
        println!("no landlock here");
        return Ok(());
    };
    for restriction in ["close_range(3,", "landlock_restrict_self(", "seccomp(", "PR_SET_NO_NEW_PRIVS"] {
        let at = lines.iter().position(|line| line.starts_with(worker) && line.contains(restriction));
        if at.is_none_or(|at| at > first) {
            return Err(format!("{restriction} comes after the config is opened").into());
        }
    }
    // The worker's threads have numbers above its own; the supervisor's first thread is the first line's.
    let supervisor =
        lines.first().and_then(|line| call(line)).map(|(pid, _)| pid.to_owned()).unwrap_or_default();
    match opened.iter().find(|line| line.starts_with(&format!("{supervisor} "))) {
        None => Ok(()),
        Some(line) => Err(format!("the supervisor opens it: {line}").into()),
    }
}

/// The calls of honest audits behind the first layer are those that were recorded, and all are on the list.
fn the_calls_are_those_recorded() -> Result<(), Failed> {
    let recorded = root().join("tests/corpus/system-calls.txt");
    let home = demo();
    let stranger = ["audit", "--policy", guest("claims_a_check").component, "--grant", "all"];
    // Each with a line that shows it.
    let mut calls: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    let runs: [&[&str]; 6] = [
        &["audit"],
        &["audit", "--json", "--state-dir", ".openclaw"],
        &["audit", "--deep", "--verbose"],
        &["fix", "--dry-run"],
        &["fix", "--yes", "--json"],
        &stranger,
    ];
    for arguments in runs {
        let Some(lines) = traced(home.path(), arguments) else { return Ok(()) };
        // A process is confined from its second filter on, and so are the threads that it starts then.
        let mut confined: BTreeSet<String> = BTreeSet::new();
        let mut filters: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
        for line in &lines {
            let Some((pid, name)) = call(line) else { continue };
            if confined.contains(pid) {
                calls.entry(name.to_owned()).or_insert_with(|| format!("{arguments:?}: {line}"));
                if name == "clone" || name == "clone3" {
                    confined.extend(line.rsplit(' ').next().map(str::to_owned));
                }
            } else if name == "seccomp" && line.contains("SECCOMP_SET_MODE_FILTER") {
                let seen = filters.entry(pid.to_owned()).or_default();
                *seen += 1;
                if *seen == 2 {
                    confined.insert(pid.to_owned());
                }
            }
        }
    }
    let allowed: BTreeSet<String> = confine::evaluate_calls().into_iter().map(str::to_owned).collect();
    let stray: Vec<_> = calls.iter().filter(|(name, _)| !allowed.contains(*name)).collect();
    if !stray.is_empty() {
        return Err(format!("not on the list: {stray:?}").into());
    }
    let known = fs::read_to_string(&recorded).unwrap_or_default();
    let mut known: BTreeSet<String> = known.lines().map(str::to_owned).collect();
    if std::env::var_os("CHITIN_BLESS").is_some() {
        // Added to, because not every run comes to all of them.
        known.extend(calls.keys().cloned());
        let text: String = known.iter().flat_map(|name| [name.as_str(), "\n"]).collect();
        fs::write(&recorded, text).unwrap();
    }
    let new: Vec<_> = calls.iter().filter(|(name, _)| !known.contains(*name)).collect();
    if new.is_empty() { Ok(()) } else { Err(format!("new calls, see `make bless`: {new:?}").into()) }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("attack") => {
            let [layer, name, home] = [2, 3, 4].map(|number| arguments[number].as_str());
            return attacked(layer, name, Path::new(home));
        }
        Some("launch") => return launch(&arguments[2..]),
        _ => {}
    }
    let mut trials: Vec<Trial> = LAYERS
        .iter()
        .map(|layer| Trial::test(format!("native attacks on the layer {layer}"), || fails(layer)))
        .collect();
    for (name, made, lacks) in surroundings() {
        trials.push(Trial::test(format!("an audit with {name}"), move || surrounded(&made, lacks)));
    }
    trials.extend([
        Trial::test("the attacks succeed without a wall", succeed_without_a_wall),
        Trial::test("a refused call is named", a_refused_call_is_named),
        Trial::test("all or nothing", all_or_nothing),
        Trial::test("little address space", little_address_space),
        Trial::test("told by the doctor", told_by_the_doctor),
        Trial::test("restricted before it reads", restricted_before_it_reads),
        Trial::test("the calls are those recorded", the_calls_are_those_recorded),
    ]);
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
