//! Native code of strangers' policies: it is run only where nobody else can have changed it, it is mapped from its file, and
//! what cannot be run costs no other policy its verdict.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use chitin::policy::code_file::{self, CodeError, ENGINE, MACHINE};
use chitin::sandbox::Code;
use chitin_test_support::guest;
use serde_json::Value;

use crate::support::{Answer, Home};

/// A policy that is built in, and says the same whatever becomes of the stranger's.
const CONTROL: &str = "logging-redaction";

fn home() -> Home {
    let mut home = Home::new();
    home.directory(".openclaw", 0o700);
    home.file(".openclaw/openclaw.json", 0o600, Some(b"{logging: {redactSensitive: \"off\"}}"));
    home.directory("policies", 0o700);
    let component = fs::read(guest("claims_a_check").component).unwrap();
    home.file("policies/mine.wasm", 0o600, Some(&component));
    home.settle();
    home
}

fn cache(home: &Home) -> PathBuf {
    home.path().join(".cache/chitin/code")
}

/// The entries of the cache, by what the file system knows them by.
fn entries(home: &Home) -> Vec<(PathBuf, u64)> {
    let Ok(entries) = fs::read_dir(cache(home)) else { return Vec::new() };
    entries.map(|entry| entry.unwrap()).map(|entry| (entry.path(), entry.metadata().unwrap().ino())).collect()
}

/// Audits with the built-in policy and this file.
fn arguments(file: &str) -> Vec<&str> {
    vec!["audit", "--json", "--native", "--policy", CONTROL, "--policy", file, "--grant", "all"]
}

fn audit(home: &Home, file: &str) -> Answer {
    home.answer(home.command().args(arguments(file)))
}

/// The same from a shell that has prepared its surroundings: the script ends in `exec "$0" "$@"`.
fn audit_in(home: &Home, script: &str, file: &str) -> Answer {
    let program = home.command().get_program().to_owned();
    let mut command = Command::new("/bin/sh");
    command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", home.path());
    command.env("SOURCE_DATE_EPOCH", "1700000000").current_dir(home.path());
    command.args(["-c", script]).arg(program).args(arguments(file));
    // The script stands before the command's own arguments, so the release is said here.
    command.args(["--openclaw-version", crate::support::RELEASE]);
    home.answer(&mut command)
}

/// What the stranger's policy found, and why something was not assessed; the built-in policy must have found its own.
fn said(answer: &Answer) -> (usize, Vec<String>) {
    let report: Value =
        serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
    let ids: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["checkId"].as_str().unwrap())
        .collect();
    assert!(ids.iter().any(|id| id.starts_with("logging.")), "{answer:?}");
    let reasons = report["incomplete"].as_array().unwrap().iter();
    let reasons = reasons.map(|part| part["reason"].as_str().unwrap().to_owned()).collect();
    (ids.iter().filter(|id| id.starts_with("hostile.")).count(), reasons)
}

/// It ran, and nothing is missing.
fn ran(answer: &Answer) -> bool {
    said(answer) == (1, Vec::new())
}

/// It did not run, for one reason.
fn reason(answer: &Answer) -> String {
    let (found, reasons) = said(answer);
    assert_eq!((found, reasons.len(), answer.code), (0, 1, 3), "{answer:?}");
    reasons[0].clone()
}

/// Compiles the policy to a code file.
fn compile(home: &Home) -> PathBuf {
    let answer = home.answer(home.command().args([
        "policy",
        "compile",
        "policies/mine.wasm",
        "-o",
        "policies/mine.cwasm",
    ]));
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{answer:?}");
    home.path().join("policies/mine.cwasm")
}

fn is_root(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("{what}: left out, because it needs root");
    }
    root
}

/// Whether a script that mounts something could do so.
fn mounted(answer: &Answer) -> bool {
    let failed = ["unshare", "mount:"].iter().any(|word| answer.stderr.contains(word));
    if failed {
        eprintln!("left out, because nothing can be mounted here: {}", answer.stderr);
    }
    !failed
}

#[test]
fn the_second_audit_compiles_nothing() {
    let home = home();
    let first = audit(&home, "policies/mine.wasm");
    assert!(ran(&first) && first.stderr.is_empty(), "{first:?}");
    let known = entries(&home);
    assert_eq!(known.len(), 1);
    let second = audit(&home, "policies/mine.wasm");
    assert_eq!((second.code, &second.stdout, &second.stderr), (first.code, &first.stdout, &first.stderr));
    assert_eq!(entries(&home), known, "code that is compiled anew is a new file");
    // Another component has an entry of its own: a byte that says nothing makes it another one.
    let mut other = fs::read(home.path().join("policies/mine.wasm")).unwrap();
    other.extend([0, 2, 1, b'x']);
    fs::write(home.path().join("policies/mine.wasm"), other).unwrap();
    assert!(ran(&audit(&home, "policies/mine.wasm")));
    assert_eq!(entries(&home).len(), 2);
}

#[test]
fn a_cache_that_others_can_write_to_is_told_and_not_used() {
    let home = home();
    assert!(ran(&audit(&home, "policies/mine.wasm")), "the control");
    let known = entries(&home);
    let folder = home.path().join(".cache/chitin");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let open = audit(&home, "policies/mine.wasm");
    assert!(ran(&open), "{open:?}");
    assert!(
        open.stderr.starts_with(
            "warning: the cache of code is not used, because others can change ~/.cache/chitin; "
        ),
        "{open:?}"
    );
    assert_eq!((open.stderr.lines().count(), entries(&home)), (1, known));
}

#[test]
fn an_entry_that_was_cut_off_is_made_again() {
    let home = home();
    assert!(ran(&audit(&home, "policies/mine.wasm")), "the control");
    let (path, inode) = entries(&home).remove(0);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(ran(&audit(&home, "policies/mine.wasm")));
    let known = entries(&home);
    assert_eq!(known.len(), 1);
    assert!(known[0].1 != inode && fs::read(&path).unwrap() == whole, "it is the same code in a new file");
}

#[test]
fn a_code_file_runs_without_a_compiler_and_says_what_it_is() {
    let home = home();
    compile(&home);
    let answer = audit(&home, "policies/mine.cwasm");
    assert!(ran(&answer), "{answer:?}");
    assert!(entries(&home).is_empty(), "nothing was compiled for it");
    let shown = |file: &str| {
        let answer = home.answer(home.command().args(["policy", "inspect", file, "--json"]));
        let mut shown = serde_json::from_str::<Value>(&answer.stdout).unwrap();
        assert!(shown["digest"].take().as_str().unwrap().starts_with("sha256:"), "each file has its own");
        shown
    };
    assert_eq!(shown("policies/mine.cwasm"), shown("policies/mine.wasm"));
    let stray = home.answer(home.command().args([
        "audit",
        "--native",
        "--policy",
        "policies/mine.cwasm",
        "--grant",
        "config:/gateway",
    ]));
    assert!(stray.code == 2 && stray.stderr.contains("does not declare the capability"), "{stray:?}");
}

#[test]
fn a_code_file_that_cannot_be_run_says_why_in_one_line() {
    let home = home();
    let path = compile(&home);
    let whole = fs::read(&path).unwrap();
    let replaced = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = whole.windows(from.len()).position(|text| text == from.as_bytes()).unwrap();
        let mut other = whole.clone();
        other[at..at + to.len()].copy_from_slice(to.as_bytes());
        other
    };
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let mut machine = String::from("sparc");
    machine.extend(std::iter::repeat_n('6', MACHINE.len() - machine.len()));
    let cases = [
        (whole[..whole.len() - 1].to_vec(), "refused: its code file is truncated, "),
        (damaged, "refused: its code was changed or is damaged; "),
        (replaced(MACHINE, &machine), "refused: it is code for sparc6"),
        (replaced(ENGINE, &"0".repeat(ENGINE.len())), "refused: chitin "),
    ];
    for (bytes, expected) in cases {
        fs::write(&path, bytes).unwrap();
        let reason = reason(&audit(&home, "policies/mine.cwasm"));
        assert!(reason.starts_with(expected), "{reason}");
        assert!(reason.contains("chitin policy compile") && !reason.contains('\n'), "{reason}");
    }
    fs::write(&path, &whole).unwrap();
    assert!(ran(&audit(&home, "policies/mine.cwasm")), "the control");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&path, 0o664);
    let file = reason(&audit(&home, "policies/mine.cwasm"));
    assert!(file.starts_with("refused: it is native code, and others can change its code file; "), "{file}");
    mode(&path, 0o644);
    mode(&home.path().join("policies"), 0o777);
    let folder = home.answer(home.command().args(arguments("policies/mine.cwasm")));
    assert!(folder.stdout.contains("it is native code, and others can change "), "{folder:?}");
    assert_eq!(folder.code, 3);
}

#[test]
fn a_file_that_is_swapped_between_check_and_use_is_not_run() {
    let home = home();
    let path = compile(&home);
    let whole = fs::read(&path).unwrap();
    let opened = || Code::in_file(code_file::open(&path).unwrap().code.unwrap());
    // Another file in its place: what was looked at is what is mapped.
    let code = opened();
    fs::rename(&path, home.path().join("policies/old")).unwrap();
    fs::write(&path, "another").unwrap();
    assert_eq!(code.map(), Ok(()));
    fs::write(&path, &whole).unwrap();
    // Another content of the very file, and less of it.
    let code = opened();
    let mut other = whole.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&path, other).unwrap();
    assert_eq!(code.map(), Err(CodeError::Damaged));
    fs::write(&path, &whole).unwrap();
    let code = opened();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(70_000).unwrap();
    assert!(matches!(code.map(), Err(CodeError::Truncated { has: 70_000, .. })));
    // It was given to others, and written to, in this order.
    fs::write(&path, &whole).unwrap();
    let code = opened();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all(&whole).unwrap();
    assert!(matches!(code.map(), Err(CodeError::Open(_))));
}

#[test]
fn where_no_memory_can_be_made_executable_a_strangers_policy_runs() {
    // `PR_SET_MDWE` is inherited. From then on `mprotect` cannot make memory executable, and none is writable and executable.
    let script = format!(
        "exec perl -e 'syscall({}, 65, 1, 0, 0, 0) == 0 or die \"no MDWE\\n\"; exec @ARGV or die' \"$0\" \"$@\"",
        libc::SYS_prctl
    );
    let home = home();
    let strict = audit_in(&home, &script, "policies/mine.wasm");
    if strict.stderr.contains("no MDWE") || strict.stderr.contains("perl") {
        eprintln!("left out, because this system cannot forbid it: {}", strict.stderr);
        return;
    }
    assert!(ran(&strict), "{strict:?}");
    assert_eq!(entries(&home).len(), 1);
    compile(&home);
    for file in ["policies/mine.wasm", "policies/mine.cwasm"] {
        let again = audit_in(&home, &script, file);
        assert!(ran(&again), "{file} {again:?}");
    }
}

#[test]
fn a_file_system_without_execution_is_named() {
    if !is_root("a noexec mount") {
        return;
    }
    let home = home();
    compile(&home);
    fs::create_dir(home.path().join(".cache")).unwrap();
    let around =
        |mounts: &str| format!("exec unshare -m sh -c '{mounts} && exec \"$0\" \"$@\"' \"$0\" \"$@\"");
    // The cache alone: code is kept elsewhere, for this audit.
    let cache = audit_in(&home, &around("mount -t tmpfs -o noexec none $HOME/.cache"), "policies/mine.wasm");
    if !mounted(&cache) {
        return;
    }
    assert!(ran(&cache), "{cache:?}");
    assert!(
        cache.stderr.contains("~/.cache/chitin/code is on a file system that is mounted noexec; "),
        "{cache:?}"
    );
    // Every place but the program's own: a checkout may lie below /tmp.
    let all = "for place in $HOME /tmp; do mount --bind $place $place; mount -o remount,bind,noexec $place; done && \
               mount --bind \"$0\" \"$0\" && mount -o remount,bind,exec \"$0\" && cd $HOME";
    let none = reason(&audit_in(&home, &around(all), "policies/mine.wasm"));
    assert!(none.contains("mounted noexec; set XDG_CACHE_HOME to "), "{none}");
    assert!(none.contains("/tmp: its file system is mounted noexec"), "{none}");
    // And a code file there.
    let file = reason(&audit_in(&home, &around(all), "policies/mine.cwasm"));
    assert!(file.starts_with("refused: its code file cannot be executed where it lies: "), "{file}");
}

#[test]
fn where_nothing_can_be_written_a_code_file_runs_and_a_component_says_what_it_misses() {
    if !is_root("a read-only system") {
        return;
    }
    let home = home();
    compile(&home);
    let script = "exec unshare -m sh -c 'for place in /tmp $HOME; do mount --bind $place $place; mount -o remount,bind,ro $place; \
                  done && exec \"$0\" \"$@\"' \"$0\" \"$@\"";
    let file = audit_in(&home, script, "policies/mine.cwasm");
    if !mounted(&file) {
        return;
    }
    assert!(ran(&file), "{file:?}");
    let component = reason(&audit_in(&home, script, "policies/mine.wasm"));
    assert!(component.contains("cannot be used: Read-only file system"), "{component}");
    assert!(
        component.contains("`chitin policy compile`; no other place will do: /tmp: Read-only"),
        "{component}"
    );
}

/// What is native code is told by its bytes, and run by nobody's name for it.
#[test]
fn native_code_is_run_where_somebody_has_said_so() {
    let home = home();
    let code = fs::read(compile(&home)).unwrap();
    let run = |arguments: &[&str]| home.answer(home.command().args(arguments));
    fs::write(home.path().join("policies/theirs.wasm"), &code).unwrap();
    let refused = |arguments: &[&str]| {
        let answer = run(arguments);
        let is_so = answer.code == 2 && answer.stderr.contains("is native code, and no sandbox holds that");
        assert!(is_so, "{arguments:?}: {answer:?}");
    };
    for file in ["policies/theirs.wasm", "policies/mine.cwasm"] {
        refused(&["audit", "--with", file]);
        refused(&["audit", "--policy", file, "--grant", "all"]);
        refused(&["fix", "--dry-run", "--policy", file]);
        refused(&["policy", "add", file, "--yes"]);
    }
    // Nor does a component become native code by an update.
    assert_eq!(run(&["policy", "add", "policies/mine.wasm", "--yes"]).code, 0);
    fs::write(home.path().join("policies/mine.wasm"), &code).unwrap();
    refused(&["policy", "update"]);
    refused(&["policy", "update", "--yes"]);
    let answer = run(&["policy", "update", "--native"]);
    assert!(answer.code == 0 && run(&["policy", "verify"]).stdout.contains("native code for"), "{answer:?}");
    // Other native code is another decision.
    let mut other = code.clone();
    other.extend([0; 8]);
    fs::write(home.path().join("policies/mine.wasm"), &other).unwrap();
    let answer = run(&["policy", "update"]);
    assert_eq!(answer.code, 2, "{answer:?}");
    // Nor is it one that a set from elsewhere can have made.
    assert_eq!(run(&["policy", "vendor", "copy"]).code, 0);
    let set = ["audit", "--locked", "--settings", "copy/chitin.toml"];
    let answer = run(&set);
    assert!(answer.code == 3 && answer.stdout.contains("by the word of the settings"), "{answer:?}");
    assert_eq!(run(&[&set[..], &["--native"]].concat()).code, run(&["audit"]).code);
    // Nor by an entry of the lock that does not say so.
    let lock = home.path().join(".config/chitin/chitin.lock");
    let text = fs::read_to_string(&lock).unwrap();
    let kept: String =
        text.lines().filter(|line| !line.starts_with("native")).flat_map(|line| [line, "\n"]).collect();
    assert_ne!(text, kept);
    fs::write(&lock, kept).unwrap();
    let answer = run(&["audit"]);
    assert!(answer.code == 3 && answer.stdout.contains("its file is native code"), "{answer:?}");
}
