//! `make parity`: the real reference program and ours over the same generated installations. `docs/parity.md` explains
//! what it prints.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a development tool: it makes its targets, prints what it saw, and stops where it cannot go on"
)]

mod difference;
mod gateway;
mod install;
mod known;
mod ours;
mod plugins;
mod recorded;
mod reference;
mod tally;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use chitin_parity::installation::Installation;
use chitin_parity::release::Release;
use chitin_parity::shrink::shrink;
use chitin_parity::{Generator, Kind};
use serde_json::Value;

use difference::{Seen, differences};
use install::Installed;
use ours::Ours;
use reference::{Reference, Verdict};
use tally::Tally;

/// The release that is compared where `RELEASE` names none.
const DEFAULT: Release = Release::new(2026, 9, 6);

/// Of this many installations, one is odd.
const ODD: u64 = 8;

/// Steps towards a smaller installation where `TRIES` says nothing; each runs both programs.
const TRIES: u64 = 40;

/// Both programs, and a home directory for them.
struct Pair {
    reference: Reference,
    ours: Ours,
    home: PathBuf,
    release: Release,
}

impl Pair {
    fn new(root: &Path, installed: &Installed, number: usize) -> Self {
        let release = installed.release;
        // Not in the work tree of this repository, which would be told of each.
        let home = std::env::temp_dir().join(format!("chitin-parity-{release}-{number}"));
        Self {
            reference: Reference::new(root, installed, &home),
            ours: Ours::new(root, release),
            home,
            release,
        }
    }

    /// Runs both. Ours goes first: it writes nothing.
    fn look(&mut self, installation: &Installation) -> Seen {
        self.look_at(installation, |_| {})
    }

    /// The same on an installation that something is added to.
    fn look_at(&mut self, installation: &Installation, add: impl FnOnce(&Path)) -> Seen {
        self.reference.ready();
        installation.place(&self.home).expect("an installation can be made");
        add(&self.home);
        self.reference.prepare(&self.home, installation);
        let installation = Installation { deep: installation.deep && self.ours.deep, ..installation.clone() };
        let ours = self.ours.audit(&self.home, &installation);
        let arguments: Vec<String> = installation.deep.then(|| "--deep".to_owned()).into_iter().collect();
        let reference = self.reference.audit(&self.home, &installation, &arguments);
        Seen { installation, home: self.home.clone(), release: self.release, ours, reference }
    }
}

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two folders up").to_owned();
    let release = match std::env::var("RELEASE") {
        Ok(text) if !text.is_empty() => text.parse().unwrap_or_else(|error| panic!("RELEASE: {error}")),
        _ => DEFAULT,
    };
    let Some(installed) = install::reference(&root, release) else { return ExitCode::SUCCESS };
    let [count, seed] = [number("N", 1000), number("SEED", fresh_seed())];
    match std::env::args().nth(1).as_deref() {
        Some("gateway") => gateway::run(&root, &installed),
        Some("plugins") => plugins::run(&root, &installed),
        Some("recorded") => recorded::run(&root, &installed),
        Some("case") => case(&root, &installed),
        Some("keys") => generated(&root, &installed, count, seed, |_| Kind::Keys),
        None | Some("") => generated(&root, &installed, count, seed, |number| {
            if number % ODD == ODD - 1 { Kind::Odd } else { Kind::Ordinary }
        }),
        Some(other) => panic!("ARGS={other}: there are keys, case, gateway, plugins and recorded"),
    }
}

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
        _ => default,
    }
}

fn fresh_seed() -> u64 {
    std::time::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_secs())
}

/// Many installations, shared out between as many pairs as there are processors. Then, largest first, what they differ
/// about, made small.
fn generated(root: &Path, installed: &Installed, count: u64, seed: u64, kind: fn(u64) -> Kind) -> ExitCode {
    let release = installed.release;
    println!("{count} installations of {release}, SEED={seed}");
    let generator = Generator::new(release);
    let tally = Mutex::new(Tally::new(Ours::new(root, release).checks().to_vec()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let mut pairs: Vec<Pair> = (0..workers).map(|number| Pair::new(root, installed, number)).collect();

    let next = AtomicU64::new(0);
    share(&mut pairs, |pair| {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return false;
        }
        let both = pair.look(&generator.installation(seed, number, kind(number)));
        let found = differences(&both, pair.ours.checks());
        tally.lock().unwrap().add(&both, &found, &format!("parity-{release}-{seed}-{number}"));
        if number % 100 == 99 {
            eprintln!("  {} of {count}", number + 1);
        }
        true
    });
    let tally = tally.into_inner().unwrap();
    println!("{tally}");
    if tally.agrees() {
        return ExitCode::SUCCESS;
    }

    let next = AtomicU64::new(0);
    let disagreements = tally.disagreements();
    share(&mut pairs, |pair| {
        let number = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap_or(usize::MAX);
        let Some((text, disagreement)) = disagreements.get(number) else { return false };
        let lines = disagreement.examples.iter().map(|(name, example)| shrunk(pair, example, text, name));
        println!("{text} ({} times)\n{}\n", disagreement.count, lines.collect::<Vec<_>>().join("\n"));
        true
    });
    println!("To see the same again: make parity RELEASE={release} N={count} SEED={seed}");
    ExitCode::FAILURE
}

/// Lets every pair work, until it says that nothing is left.
fn share(pairs: &mut [Pair], work: impl Fn(&mut Pair) -> bool + Sync) {
    std::thread::scope(|scope| {
        for pair in pairs {
            scope.spawn(|| while work(pair) {});
        }
    });
}

/// The smallest installation that shows the same unknown difference, as a recorded case.
fn shrunk(pair: &mut Pair, installation: &Installation, difference: &str, name: &str) -> String {
    let mut tries = number("TRIES", TRIES);
    let small = shrink(installation, |smaller| {
        let Some(left) = tries.checked_sub(1) else { return false };
        tries = left;
        let seen = pair.look(smaller);
        differences(&seen, pair.ours.checks())
            .iter()
            .any(|found| found.text == difference && found.known.is_none())
    });
    let seen = pair.look(&small);
    let mut case = small.case(name);
    match &seen.reference {
        Verdict::Findings { findings, audited, .. } => {
            if small.registry {
                case.insert("audited".to_owned(), audited.clone().into());
            }
            case.insert("expect".to_owned(), findings.clone().into());
        }
        Verdict::Refused { why, .. } => {
            case.insert("exit".to_owned(), 1.into());
            case.insert("why".to_owned(), why.clone().into());
        }
    }
    Value::Object(case).to_string()
}

/// Cases from standard input, one a line, with what both programs say of them.
fn case(root: &Path, installed: &Installed) -> ExitCode {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).expect("cases on standard input");
    let mut pair = Pair::new(root, installed, 0);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let case: Value = serde_json::from_str(line).expect("a case is a line of JSON");
        let seen = pair.look(&Installation::from_case(&case));
        println!("{}", case["name"]);
        println!("  reference: {}", seen.reference);
        println!("  ours:      {} (exit {})", seen.ours.all.join(" "), seen.ours.code);
        for found in differences(&seen, pair.ours.checks()) {
            println!("  {} ({})", found.text, found.known.unwrap_or("not known"));
        }
    }
    ExitCode::SUCCESS
}
