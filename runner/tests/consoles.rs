//! The consoles of README.md, docs/ and tests/cli/ are run, and must print what they show. A block of the language `console` is one;
//! `$ ` begins a command, `? N` under it names an exit code other than 0. Commands run in the demo
//! installation's home folder, which stands there as /home/ann, with the policies of strangers in theirs-1.wasm and theirs-2.wasm.
//! Digests and sizes stand there as dots. `CHITIN_BLESS=1` writes the outputs anew.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test makes its target, and stops where it cannot"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use chitin_test_support::with_manifest;
use libtest_mimic::{Arguments, Trial};

/// How the temporary home folder is called in the pages.
const HOME: &str = "/home/ann";

/// 2026-02-20, so that every run prints the same.
const EPOCH: &str = "1771545600";

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut pages = vec![root.join("README.md")];
    for folder in ["docs", "tests/cli"] {
        let found = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(found.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    }
    pages.sort();
    let trial = |page: PathBuf| {
        let name = page.strip_prefix(root).unwrap().display().to_string();
        let root = root.to_owned();
        Trial::test(name, move || check(&root, &page).map_err(Into::into))
    };
    libtest_mimic::run(&Arguments::from_args(), pages.into_iter().map(trial).collect()).exit();
}

fn check(root: &Path, page: &Path) -> Result<(), String> {
    let written = fs::read_to_string(page).unwrap();
    let run = run(root, &written);
    if run == written {
        return Ok(());
    }
    if std::env::var_os("CHITIN_BLESS").is_some() {
        fs::write(page, run).unwrap();
        return Ok(());
    }
    let mut message = format!("{} shows what is not so any more:\n", page.display());
    for (number, (shown, real)) in written.lines().zip(run.lines()).enumerate() {
        if shown != real {
            writeln!(message, "line {}:\n  shown: {shown}\n  real:  {real}", number + 1).unwrap();
            break;
        }
    }
    message.push_str("`make bless` writes it anew, after a look at what changed");
    Err(message)
}

/// The page with the outputs of its commands as they are now.
fn run(root: &Path, page: &str) -> String {
    // As long as HOME, so that lines break where they break for ann.
    let home = tempfile::Builder::new().prefix("").rand_bytes(4).tempdir_in("/tmp").unwrap();
    assert_eq!(home.path().as_os_str().len(), HOME.len());
    let installed = Command::new(root.join("tests/corpus/demo/install")).arg(home.path()).status().unwrap();
    assert!(installed.success());
    for (number, capabilities) in
        [(1, "config = [\"/tools\"]"), (2, "config = [\"/tools\"]\nfiles = [\"list:state\"]")]
    {
        let manifest = format!(
            "[policy]\nid = \"theirs\"\nversion = \"{number}.0.0\"\nsummary = \"A policy of somebody else\"\n\
             [[check]]\nid = \"hostile.finding\"\nseverity = \"warn\"\nsummary = \"It says so\"\n\
             [capabilities]\n{capabilities}\n"
        );
        fs::write(home.path().join(format!("theirs-{number}.wasm")), with_manifest(&manifest)).unwrap();
    }
    let mut out = String::new();
    let mut console = false;
    for line in page.lines() {
        if line.starts_with("```") {
            console = line == "```console";
        } else if console && !line.starts_with("$ ") {
            continue; // old output
        }
        writeln!(out, "{line}").unwrap();
        if let (true, Some(command)) = (console, line.strip_prefix("$ ")) {
            out.push_str(&output(home.path(), command));
        }
    }
    out
}

/// A text with dots for the digits of each digest: they differ from one compiler to the next.
fn without_digests(text: &str) -> String {
    let mut parts = text.split("sha256");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("sha256");
        let digits = part.chars().skip(1).take_while(char::is_ascii_hexdigit).count();
        match part.split_at_checked(digits + 1) {
            Some((before, rest)) if digits == 64 => write!(out, "{}...{rest}", &before[..1]).unwrap(),
            _ => out.push_str(part),
        }
    }
    out
}

/// The same with dots for sizes of components.
fn without_sizes(text: &str) -> String {
    let mut parts = text.split(" bytes");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let head = out.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        if out.len() - head >= 5 {
            out.truncate(head);
            out.push_str("...");
        }
        out.push_str(" bytes");
        out.push_str(part);
    }
    out
}

fn output(home: &Path, command: &str) -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_chitin")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", programs.display());
    let command = command.replace(HOME, &home.display().to_string());
    let output = Command::new("/bin/sh")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .current_dir(home)
        .env_clear()
        .env("PATH", path)
        .env("HOME", home)
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap().replace(&home.display().to_string(), HOME);
    let text = without_digests(&text);
    let text = if command.contains(" policy ") { without_sizes(&text) } else { text };
    let code = output.status.code().unwrap();
    let code = if code == 0 { String::new() } else { format!("? {code}\n") };
    format!("{code}{text}")
}
