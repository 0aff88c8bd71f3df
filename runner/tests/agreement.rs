//! Agreement with the reference: each recorded case is built as a home directory, audited by the real program, and
//! the verdict compared with the one that the reference's own audit gave. `tests/corpus/` holds the cases, the check ids
//! that do not exist yet (`not-yet.txt`) and the differences that are meant or known (`known-differences.toml`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that is set up wrongly must stop"
)]
#![allow(clippy::print_stderr, reason = "the summary is for the person who runs the tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex};

use chitin::policy::manifest::{Check, Manifest};
use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;
use serde_json::Value;

use support::fixes::{Expected, Fix};
use support::{Answer, Home, Report, root};

/// What the reference did with the cases of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Its command audited them.
    Command,
    /// The same, with the channel plugins loaded.
    WithChannels,
    /// Its command refused them.
    Refused,
    /// Its audit was called without the command, and so without validation, without the checks of files and channels.
    Library,
    /// Its command of 2026.9.6 audited them, or refused to.
    Newer,
}

/// Each case file.
const FILES: [(&str, Source); 9] = [
    ("config-cases", Source::Command),
    ("state-cases", Source::Command),
    ("channel-cases", Source::Command),
    ("variable-cases", Source::WithChannels),
    ("fix-cases", Source::Command),
    ("config-cases-rejected", Source::Refused),
    ("state-cases-rejected", Source::Refused),
    ("config-cases-direct", Source::Library),
    ("2026.9-cases", Source::Newer),
];

/// The release of [`Source::Newer`].
const NEWER: &str = "2026.9.6";

/// Checks that the command of that release has and never runs, because it does not load the plugins that hold them
/// (2026.9-delta 8.5). They are judged from the config alone.
const NEVER_LOADED: [&str; 1] = ["browser."];

/// The policy that reports what the reference prints before it refuses to audit.
const OWN_POLICY: &str = "config-problems";

#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    config: Option<Value>,
    tree: Option<Vec<Object>>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    args: Option<Vec<String>>,
    #[serde(default, alias = "expect_report")]
    expect: Vec<String>,
    /// What the reference's fix did.
    #[serde(flatten)]
    fix: Expected,
    #[serde(alias = "expectExit")]
    exit: Option<i32>,
    mode: Option<String>,
    /// What the config's own suppressions took out.
    #[serde(default, rename = "expectSuppressed")]
    suppressed: Vec<String>,
    /// The channels whose plugins were loaded.
    #[serde(rename = "channelAdapters")]
    adapters: Option<Vec<String>>,
    /// What lies in the database of the state directory.
    #[serde(rename = "stateDb")]
    database: Option<Database>,
    /// The reference's audit broke off.
    #[serde(default)]
    throws: bool,
}

/// Rows of the shared database.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Database {
    exec_approvals: Option<Value>,
    machine_state: BTreeMap<String, Value>,
    pairing_allow: Vec<Pairing>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pairing {
    channel: String,
    #[serde(default = "default_account")]
    account: String,
    entry: String,
}

fn default_account() -> String {
    "default".to_owned()
}

#[derive(Debug, Deserialize)]
struct Object {
    path: String,
    #[serde(rename = "type", default = "file")]
    kind: String,
    mode: Option<String>,
    content: Option<String>,
    target: Option<String>,
}

/// The answer of an audit with a fix.
#[derive(Debug, Deserialize)]
struct Both {
    fix: Fix,
    report: Report,
}

fn file() -> String {
    "file".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Differences {
    own: Vec<OwnCheck>,
    difference: Vec<Difference>,
}

/// A check that the reference does not have, so that no case can expect it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnCheck {
    check: String,
    reason: String,
}

/// A case where the verdict differs, and how exactly.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    file: String,
    case: String,
    /// `+id:severity` is found by us alone, `-id:severity` by the reference alone; `exit N` is our exit code.
    expect: Vec<String>,
    reason: String,
}

/// How often the reference found something, we found the same, and we found more.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    expected: usize,
    agreed: usize,
    extra: usize,
}

/// What all trials share.
struct World {
    checks: Vec<Check>,
    own: Vec<OwnCheck>,
    differences: Vec<Difference>,
    deep: bool,
    ids: Mutex<BTreeMap<String, Count>>,
    files: Mutex<BTreeMap<String, (usize, usize, usize)>>,
}

impl World {
    fn new() -> Self {
        let text = run(&["policy", "list", "--json"]);
        let manifests: Vec<Manifest> =
            serde_json::from_str(&text).expect("policy list --json gives manifests");
        let checks = manifests.into_iter().filter(|manifest| manifest.policy.id != OWN_POLICY);
        let checks = checks.flat_map(|manifest| manifest.checks);
        let text = fs::read_to_string(root().join("tests/corpus/known-differences.toml")).unwrap();
        let differences: Differences = toml::from_str(&text).expect("known-differences.toml");
        Self {
            checks: checks.map(|check| Check { id: unnumbered(&check.id), ..check }).collect(),
            own: differences.own,
            differences: differences.difference,
            deep: run(&["audit", "--help"]).contains("--deep"),
            ids: Mutex::default(),
            files: Mutex::default(),
        }
    }

    /// The check that an `id:severity` belongs to.
    fn check(&self, verdict: &str) -> Option<&Check> {
        let id = verdict.rsplit_once(':').map_or(verdict, |(id, _)| id);
        self.checks.iter().find(|check| check.matches(id))
    }

    fn known(&self, file: &str, case: &str) -> Option<&Difference> {
        self.differences.iter().find(|known| known.file == file && known.case == case)
    }
}

fn run(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_chitin")).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let world = Arc::new(World::new());
    let mut trials = Vec::new();
    let mut all = Vec::new();
    for (file, source) in FILES {
        let text = fs::read_to_string(root().join(format!("tests/corpus/reference/{file}.jsonl"))).unwrap();
        for line in text.lines() {
            let mut case: Case =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{file}: {error}: {line}"));
            case.expect = case.expect.iter().map(|verdict| unnumbered(verdict)).collect();
            let case = Arc::new(case);
            all.push((file, Arc::clone(&case)));
            let world = Arc::clone(&world);
            trials.push(Trial::test(format!("{file}::{}", case.name), move || {
                agree(&world, file, &case, source)
            }));
        }
    }
    let all = Arc::new(all);
    let (one, two) = (Arc::clone(&world), Arc::clone(&world));
    let cases = Arc::clone(&all);
    trials.push(Trial::test("corpus::every-check-is-built-in-or-listed", move || listed(&one, &cases)));
    trials.push(Trial::test("corpus::known-differences-name-cases", move || names(&two, &all)));
    let listing = arguments.list;
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !listing {
        eprint!("{}", summary(&world));
    }
    conclusion.exit_code()
}

/// One case: build, audit, compare.
fn agree(world: &World, file: &str, case: &Case, source: Source) -> Result<(), Failed> {
    let mut home = build(case);
    let mut arguments = arguments(case, world.deep);
    if source == Source::Newer {
        home.release = Some(NEWER.to_owned());
    }
    if !case.suppressed.is_empty() {
        arguments.push("--honour-config-suppressions".to_owned());
    }
    let audit = || home.chitin(arguments.iter().map(String::as_str), &case.env);
    let mut answer = audit();
    if answer.code == 4 && case.exit.is_none_or(|exit| exit == 0) {
        // The reference creates a state directory that is missing before it looks (state-checks 1.6).
        let state = report(&answer)?.target.state_dir.replacen('~', home.path().to_str().unwrap(), 1);
        fs::create_dir_all(&state).unwrap();
        rustix::fs::chmod(state.as_str(), 0o700.into()).unwrap();
        answer = audit();
    }
    let found = if source == Source::Refused || case.exit.is_some_and(|exit| exit != 0) {
        refused(case, &answer)
    } else if case.throws {
        failures(&answer.report()?)
    } else if file == "fix-cases" {
        let Both { fix, .. } =
            serde_json::from_str(&answer.stdout).map_err(|error| format!("{error}: {answer:?}"))?;
        let mut found = compared(world, case, source, &answer)?;
        found.extend(case.fix.differences(&home, &fix, &case.env));
        found.sort();
        found
    } else {
        compared(world, case, source, &answer)?
    };
    let (known, reason) = match world.known(file, &case.name) {
        Some(known) => (known.expect.clone(), format!("known difference: {}", known.reason)),
        None => (Vec::new(), "no known difference".to_owned()),
    };
    let mut expected = known.clone();
    expected.sort();
    let agrees = found == expected;
    let mut files = world.files.lock().unwrap();
    let (cases, clean, differing) = files.entry(file.to_owned()).or_default();
    *cases += 1;
    *clean += usize::from(found.is_empty());
    *differing += usize::from(agrees && !found.is_empty());
    drop(files);
    if agrees {
        return Ok(());
    }
    Err(format!("differs by {found:?}, expected {expected:?} ({reason})\n{}", answer.stderr).into())
}

/// The report, alone or behind what a fix did.
fn report(answer: &Answer) -> Result<Report, String> {
    answer.report().or_else(|error| {
        serde_json::from_str::<Both>(&answer.stdout).map(|both| both.report).map_err(|_| error)
    })
}

/// The reference gives no report; we give one that says what is wrong with the config.
fn refused(case: &Case, answer: &Answer) -> Vec<String> {
    if case.name.starts_with("args-") {
        return if answer.code == 2 { Vec::new() } else { vec![format!("exit {}", answer.code)] };
    }
    if ![0, 1, 3].contains(&answer.code) {
        return vec![format!("exit {}", answer.code)];
    }
    let own = |report: Report| report.findings.iter().any(|finding| finding.policy == OWN_POLICY);
    if report(answer).is_ok_and(own) { Vec::new() } else { vec!["-config.*".to_owned()] }
}

/// Policies without a verdict: whatever is wrong with a config, each has one.
fn failures(report: &Report) -> Vec<String> {
    let policies = report.incomplete.iter().filter_map(|gap| Some((gap.policy.as_ref()?, &gap.reason)));
    policies.map(|(policy, reason)| format!("{policy}: {reason}")).collect()
}

/// The difference between the reference's verdict and ours, over the checks that we have.
fn compared(world: &World, case: &Case, source: Source, answer: &Answer) -> Result<Vec<String>, String> {
    let report = report(answer)?;
    let in_registry = case.mode.as_deref() == Some("registry") || case.adapters.is_some();
    let knows_channels = in_registry || source == Source::WithChannels;
    let from_library = source == Source::Library || in_registry;
    // The command never loads the channel plugins, so it never says anything of channels (channel-checks 0).
    let comparable = |id: &str| {
        let is_loaded = source != Source::Newer || !NEVER_LOADED.iter().any(|start| id.starts_with(start));
        (knows_channels || !id.starts_with("channels."))
            && is_loaded
            && !world.own.iter().any(|own| own.check == id)
    };
    let deep = case.args.iter().flatten().any(|argument| argument == "--deep");
    let mut balance: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for verdict in case.expect.iter().filter(|verdict| world.check(verdict).is_some()) {
        if !deep || world.deep || !needs_deep(verdict) {
            balance.entry(verdict).or_default().0 += 1;
        }
    }
    let ours = report
        .findings
        .iter()
        .filter(|finding| finding.policy != OWN_POLICY && comparable(&finding.check_id));
    let ours: Vec<String> =
        ours.map(|finding| format!("{}:{}", unnumbered(&finding.check_id), finding.severity)).collect();
    for verdict in &ours {
        balance.entry(verdict).or_default().1 += 1;
    }
    let mut difference = failures(&report);
    let mut ids = world.ids.lock().unwrap();
    for (verdict, (expected, found)) in balance {
        let id = world.check(verdict).map_or_else(|| verdict.to_owned(), |check| check.id.clone());
        let count = ids.entry(id).or_default();
        count.expected += expected;
        count.agreed += expected.min(found);
        count.extra += found.saturating_sub(expected);
        difference.extend((found..expected).map(|_| format!("-{verdict}")));
        difference.extend((expected..found).map(|_| format!("+{verdict}")));
    }
    drop(ids);
    if !from_library {
        // The reference took this config, so nothing may be wrong with it.
        let own = report.findings.iter().filter(|finding| finding.policy == OWN_POLICY);
        // Its loader only warns of such a variable, and the audit says nothing.
        let is_silent = |id: &str| source == Source::Newer && id == "config.unset_variable";
        let own = own.filter(|finding| !is_silent(&finding.check_id));
        difference.extend(own.map(|finding| format!("+{}:{}", finding.check_id, finding.severity)));
        if ![0, 1].contains(&answer.code) {
            difference.push(format!("exit {}", answer.code));
        }
    }
    difference.sort();
    Ok(difference)
}

/// `channels.irc.warning.3:warn` without the number. In the reference it counts the findings about all channels so far
/// (channel-checks 5), in ours it names the warning: the numbers can't agree, the warnings can.
fn unnumbered(verdict: &str) -> String {
    let (id, severity) = verdict.split_once(':').map_or((verdict, None), |(id, end)| (id, Some(end)));
    let id = match id.rsplit_once('.') {
        Some((warning, _)) if id.starts_with("channels.") && warning.ends_with(".warning") => warning,
        _ => id,
    };
    severity.map_or_else(|| id.to_owned(), |severity| format!("{id}:{severity}"))
}

/// Findings of the code scan and of the live probe.
fn needs_deep(verdict: &str) -> bool {
    ["gateway.probe_", "plugins.code_safety", "skills.code_safety"]
        .iter()
        .any(|start| verdict.starts_with(start))
}

fn build(case: &Case) -> Home {
    let mut home = Home::new();
    let path = home.path().to_str().unwrap().to_owned();
    if let Some(config) = &case.config {
        home.directory(".openclaw", 0o700);
        let config = config.to_string().replace("$HOME", &path);
        home.file(".openclaw/openclaw.json", 0o600, Some(config.as_bytes()));
    }
    if let Some(database) = &case.database {
        home.directory(".openclaw/state", 0o700);
        home.file(".openclaw/state/openclaw.sqlite", 0o600, Some(b""));
        database.write(&home.path().join(".openclaw/state/openclaw.sqlite"));
    }
    for object in case.tree.iter().flatten() {
        let mode = object.mode.as_deref().map(|mode| u32::from_str_radix(mode, 8).unwrap());
        match object.kind.as_str() {
            "dir" => home.directory(&object.path, mode.unwrap_or(0o700)),
            "chmod" => home.mode(&object.path, mode.unwrap()),
            "file" => {
                let mode = mode.unwrap_or(0o600);
                let content = object.content.as_deref().unwrap_or_default().replace("$HOME", &path);
                home.file(&object.path, mode, Some(content.as_bytes()));
            }
            "symlink" => {
                home.symlink(&object.path, &object.target.as_deref().unwrap().replace("$HOME", &path));
            }
            other => panic!("{}: unknown type {other}", case.name),
        }
    }
    home
}

impl Database {
    /// Writes the tables as the reference has them, without the columns that nobody asks for.
    fn write(&self, file: &Path) {
        let database = rusqlite::Connection::open(file).unwrap();
        let tables =
            "CREATE TABLE exec_approvals_config (config_key TEXT PRIMARY KEY, raw_json TEXT NOT NULL);
            CREATE TABLE config_machine_state (state_key TEXT PRIMARY KEY, value_json TEXT NOT NULL);
            CREATE TABLE channel_pairing_allow_entries (channel_key TEXT NOT NULL, account_id TEXT NOT NULL,
                entry TEXT NOT NULL, sort_order INTEGER NOT NULL);";
        database.execute_batch(tables).unwrap();
        if let Some(document) = &self.exec_approvals {
            let text = document.as_str().map_or_else(|| document.to_string(), str::to_owned);
            let insert = "INSERT INTO exec_approvals_config VALUES ('current', ?1)";
            database.execute(insert, [text]).unwrap();
        }
        for (key, value) in &self.machine_state {
            let insert = "INSERT INTO config_machine_state VALUES (?1, ?2)";
            database.execute(insert, [key, &value.to_string()]).unwrap();
        }
        for Pairing { channel, account, entry } in &self.pairing_allow {
            let insert = "INSERT INTO channel_pairing_allow_entries VALUES (?1, ?2, ?3, 0)";
            database.execute(insert, [channel, account, entry]).unwrap();
        }
    }
}

/// The reference's command line as ours: options before the command go behind it, and `--json` stands once.
fn arguments(case: &Case, deep: bool) -> Vec<String> {
    let given = case.args.clone().unwrap_or_default();
    // What the gateway that runs was started with cannot be said here.
    let given: Vec<String> = match given.iter().position(|option| option == "--auth") {
        Some(at) => given.iter().take(at).cloned().collect(),
        None => given,
    };
    let options: Vec<String> = match given.windows(2).position(|pair| pair == ["security", "audit"]) {
        Some(at) => given.iter().take(at).chain(given.iter().skip(at + 2)).cloned().collect(),
        None if case.name.starts_with("args-") => return given,
        None => given,
    };
    let kept = |option: &String| option != "--json" && (deep || option != "--deep");
    let renamed = |option| if option == "--no-color" { "--color=never".to_owned() } else { option };
    let given = options.into_iter().filter(kept).map(renamed);
    ["audit", "--json"].map(str::to_owned).into_iter().chain(given).collect()
}

/// `not-yet.txt`: ids of the reference, one a line; `*` stands for a name.
fn not_yet() -> Vec<String> {
    let text = fs::read_to_string(root().join("tests/corpus/not-yet.txt")).unwrap();
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

fn matches(pattern: &str, id: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == id,
        Some((head, tail)) => id.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices()
                .skip(1)
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| matches(tail, &rest[at..]))
        }),
    }
}

fn listed(world: &World, cases: &[(&str, Arc<Case>)]) -> Result<(), Failed> {
    let patterns = not_yet();
    let mut wrong = BTreeSet::new();
    let (mut seen, mut used) = (BTreeSet::new(), BTreeSet::new());
    for (file, case) in cases {
        for verdict in &case.expect {
            let id = verdict.rsplit_once(':').unwrap().0;
            if !seen.insert(id) {
                continue;
            }
            let pattern = patterns.iter().find(|pattern| matches(pattern, id));
            used.extend(pattern);
            match (world.check(verdict), pattern) {
                (None, None) => wrong.insert(format!(
                    "{id} is neither built in nor listed (first met in {file}::{})",
                    case.name
                )),
                (Some(_), Some(pattern)) => {
                    wrong.insert(format!("{id} is built in; take {pattern} out of not-yet.txt"))
                }
                _ => false,
            };
        }
    }
    for pattern in patterns.iter().filter(|pattern| !used.contains(pattern)) {
        wrong.insert(format!("no case expects {pattern}; take it out of not-yet.txt"));
    }
    for check in &world.checks {
        if let Some(pattern) =
            patterns.iter().find(|pattern| matches(pattern, &check.id) || **pattern == check.id)
        {
            wrong.insert(format!("{} is built in; take {pattern} out of not-yet.txt", check.id));
        }
    }
    let wrong: Vec<String> = wrong.into_iter().collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

fn names(world: &World, cases: &[(&str, Arc<Case>)]) -> Result<(), Failed> {
    for own in &world.own {
        if own.reason.trim().is_empty() || !world.checks.iter().any(|check| check.id == own.check) {
            return Err(format!("{} is no check, or has no reason", own.check).into());
        }
        if cases
            .iter()
            .flat_map(|(_, case)| &case.expect)
            .any(|verdict| verdict.starts_with(&format!("{}:", own.check)))
        {
            return Err(format!("{} is a check of the reference", own.check).into());
        }
    }
    let mut seen = BTreeSet::new();
    for known in &world.differences {
        let name = format!("{}::{}", known.file, known.case);
        if !cases.iter().any(|(file, case)| *file == known.file && case.name == known.case) {
            return Err(format!("{name} is no case").into());
        }
        if known.expect.is_empty() || known.reason.trim().is_empty() {
            return Err(format!("{name} needs a difference and a reason").into());
        }
        if !seen.insert(name.clone()) {
            return Err(format!("{name} is listed twice").into());
        }
    }
    Ok(())
}

fn summary(world: &World) -> String {
    let mut out = String::from("agreement with the reference, by check: expected, agreed, ours alone\n");
    let mut all = Count::default();
    for (id, count) in world.ids.lock().unwrap().iter() {
        let mark = if count.agreed == count.expected && count.extra == 0 { ' ' } else { '!' };
        let _ = writeln!(out, "{mark} {id:55} {:5} {:5} {:5}", count.expected, count.agreed, count.extra);
        all.expected += count.expected;
        all.agreed += count.agreed;
        all.extra += count.extra;
    }
    let _ = writeln!(out, "  {:55} {:5} {:5} {:5}", "all", all.expected, all.agreed, all.extra);
    out.push_str("by case file: cases, the same verdict, another verdict that is known\n");
    for (file, (cases, clean, known)) in world.files.lock().unwrap().iter() {
        let mark = if cases == &(clean + known) { ' ' } else { '!' };
        let _ = writeln!(out, "{mark} {file:55} {cases:5} {clean:5} {known:5}");
    }
    out
}
