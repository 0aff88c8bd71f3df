//! `make bench`, the deep part: whole processes that scan 20,000 scripts of plugins. The sandboxed scan against a native
//! program with the same rules, and against `grep -rE` with the same patterns. It prints medians and ratios taken in one
//! run, and judges nothing.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement makes its targets, prints what it saw, and stops where it fails"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chitin_policy_sdk::openclaw::code;

/// Makes this program a native scan of one folder.
const NATIVE_PROCESS: &str = "--native";

/// Whole processes of each kind.
const PROCESSES: usize = 11;

/// Scripts of a tree.
const SCRIPTS: usize = 20_000;

/// The rules as one pattern, so that grep reads each file once, as the scan does.
const PATTERNS: &str = r#"\b(exec|execSync|spawn|spawnSync|execFile|execFileSync)\s*\(|child_process|\beval\s*\(|new\s+Function\s*\(|[sS]tratum\+(tcp|ssl)|coinhive|cryptonight|xmrig|new\s+WebSocket\s*\(\s*["']wss?://[^"']*:[0-9]+|readFile|(\\x[0-9a-fA-F]{2}){6,}|(atob|Buffer\.from)\s*\(\s*["'][A-Za-z0-9+/=]{200,}["']|process\.env|\bfetch\b|\bpost\b|http\.request"#;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, target] = arguments.as_slice()
        && flag == NATIVE_PROCESS
    {
        let mut seen = (0, 0);
        native(Path::new(target), &mut seen);
        println!("{} scripts, {} hits", seen.0, seen.1);
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    println!("scan of {SCRIPTS} scripts, whole processes, pairwise, median of {PROCESSES}");
    for (name, plugins) in [("one plugin", 1), ("40 plugins", 40)] {
        let home = scratch.path().join(plugins.to_string());
        let bytes = tree(&home, plugins);
        compare(name, &home, bytes);
    }
}

/// Plugins with ordinary code, one script in a hundred of which a rule matches.
fn tree(home: &Path, plugins: usize) -> usize {
    let words = [
        "const",
        "value",
        "=>",
        "{",
        "return",
        "await",
        "items.map",
        "(",
        ")",
        "}",
        ";",
        "if",
        "name",
        "'text'",
    ];
    let mut bytes = 0;
    for number in 0..SCRIPTS {
        let folder = home.join(format!(
            ".openclaw/extensions/plugin-{}/src/{}",
            number % plugins,
            number / plugins / 50
        ));
        if (number / plugins).is_multiple_of(50) {
            fs::create_dir_all(&folder).unwrap();
        }
        let mut text = String::new();
        for word in 0..400 {
            let end = if word % 9 == 8 { '\n' } else { ' ' };
            let _ = write!(text, "{}{end}", words[(number + word * word) % words.len()]);
        }
        if number % 100 == 7 {
            text.push_str("new Function(text)\n");
        }
        bytes += text.len();
        fs::write(folder.join(format!("{number}.js")), text).unwrap();
    }
    fs::write(home.join(".openclaw/openclaw.json"), "{}").unwrap();
    bytes
}

fn compare(name: &str, home: &Path, bytes: usize) {
    let (mut sandboxed, mut by_itself, mut by_grep) = (Vec::new(), Vec::new(), Vec::new());
    let extensions = home.join(".openclaw/extensions");
    let mut peak = String::new();
    for _ in 0..PROCESSES {
        let mut chitin = Command::new(env!("CARGO_BIN_EXE_chitin"));
        chitin
            .args(["audit", "--deep", "--policy", "plugin-code", "--json", "--timings"])
            .env_clear()
            .env("HOME", home);
        let (time, notes) = run(&mut chitin);
        sandboxed.push(time);
        let line = notes.lines().find_map(|line| line.strip_suffix("  peak memory"));
        line.unwrap_or("?").trim().clone_into(&mut peak);
        by_itself
            .push(run(Command::new(std::env::current_exe().unwrap()).arg(NATIVE_PROCESS).arg(&extensions)).0);
        by_grep.push(run(Command::new("grep").args(["-rnE", "--include=*.js", PATTERNS]).arg(&extensions)).0);
    }
    let ratio = |others: &[Duration]| {
        let pairs = sandboxed.iter().zip(others);
        median(&mut pairs.map(|(a, b)| a.as_secs_f64() / b.as_secs_f64()).collect::<Vec<_>>())
    };
    let (native, grep) = (ratio(&by_itself), ratio(&by_grep));
    let ms = |times: &[Duration]| {
        format!(
            "{:.0} ms",
            median(&mut times.iter().map(|time| time.as_secs_f64() * 1e3).collect::<Vec<_>>())
        )
    };
    println!(
        "  {name:<10} {} KiB: sandboxed {}, peak memory {peak}; native on one thread {}: {native:.2} times; grep -rE {}: {grep:.2} times",
        bytes >> 10,
        ms(&sandboxed),
        ms(&by_itself),
        ms(&by_grep),
    );
}

fn run(command: &mut Command) -> (Duration, String) {
    let started = Instant::now();
    let output = command.stdout(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
    (started.elapsed(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn native(folder: &Path, seen: &mut (usize, usize)) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "node_modules" {
            continue;
        }
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            native(&entry.path(), seen);
        } else if kind.is_file() && code::is_script(&name) {
            let hits = code::scan(&fs::read(entry.path()).unwrap());
            seen.0 += 1;
            seen.1 += hits.len();
        }
    }
}

fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
