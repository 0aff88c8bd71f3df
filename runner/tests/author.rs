//! `chitin policy test` runs the cases of a policy from a file by the real program, says what is wrong with it, and writes what
//! was said where it is asked to.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test makes its target, and stops where it cannot"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use chitin_test_support::guest;

/// A folder with a guest as `policy.wasm`, and one case.
fn folder(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(guest(name).component, folder.path().join("policy.wasm")).unwrap();
    fs::create_dir(folder.path().join("cases")).unwrap();
    fs::write(folder.path().join("cases/one.json5"), "{}").unwrap();
    folder
}

/// Runs `chitin policy` in a folder that is home, too, and gives the exit code and all that it said.
fn policy(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_chitin"))
        .arg("policy")
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", folder)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.code().unwrap(), text)
}

#[test]
fn what_a_policy_says_is_blessed_and_compared() {
    let folder = folder("claims_a_check");
    let (code, text) = policy(folder.path(), &["test", "policy.wasm"]);
    assert!(code == 1 && text.contains("FAILED  case one") && text.contains("  + "), "{text}");
    let (code, text) = policy(folder.path(), &["test", "policy.wasm", "--bless"]);
    assert!(code == 0 && text.contains("written case one"), "{text}");
    let file = folder.path().join("cases/one.findings");
    let findings = fs::read_to_string(&file).unwrap();
    assert!(findings.contains("hostile.finding") && findings.contains("\nexit "), "{findings}");
    let (code, text) = policy(folder.path(), &["test", "policy.wasm"]);
    assert!(code == 0 && text.contains("ok      case one"), "{text}");
    assert!(text.contains("ok      an empty installation") && text.contains("\nfuel    "), "{text}");
    fs::write(&file, findings.replace("exit ", "exit 9")).unwrap();
    let (code, text) = policy(folder.path(), &["test", "policy.wasm"]);
    assert!(code == 1 && text.contains("  - exit 9"), "{text}");
}

#[test]
fn a_policy_that_breaks_off_fails_whatever_is_blessed() {
    let folder = folder("aborts");
    let (code, text) = policy(folder.path(), &["test", "policy.wasm", "--bless"]);
    assert!(code == 1 && text.contains("it has no answer: "), "{text}");
}

#[test]
fn what_cannot_be_tested_is_a_usage_error() {
    let folder = folder("claims_a_check");
    let wrong = |arguments: &[&str], words: &str| {
        let (code, text) = policy(folder.path(), arguments);
        assert!(code == 2 && text.contains(words) && text.contains("help: "), "{text}");
    };
    wrong(&["test", "none.wasm"], "none.wasm does not exist");
    wrong(&["test", "."], "policy.toml does not exist");
    fs::remove_file(folder.path().join("cases/one.json5")).unwrap();
    wrong(&["test", "policy.wasm"], "there is no case in");
    // A case that would write elsewhere is one that fails, not one that writes.
    fs::write(folder.path().join("cases/one.json5"), "{}").unwrap();
    let state = "[[object]]\npath = \"../x\"\nkind = \"file\"\nmode = \"0600\"\n";
    fs::write(folder.path().join("cases/one.state.toml"), state).unwrap();
    let (code, text) = policy(folder.path(), &["test", "policy.wasm"]);
    assert!(code == 1 && text.contains("has to be a path below the home folder"), "{text}");
}
