//! `make bench`: whole processes over targets of three sizes, the stages of one, and the sandboxed policies against the
//! same logic run natively over the same snapshot. It prints medians and ratios taken in one run, and judges nothing.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a measurement makes its targets, prints what it saw, and stops where it fails"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chitin::audit::{Basis, Evaluation, Planned, Report, Subject, Terms, evaluate};
use chitin::budget::Budget;
use chitin::output::{Format as _, Json};
use chitin::policy::catalog::BUILTIN;
use chitin::sandbox::limits::Limits;
use chitin::sandbox::view::decode;
use chitin::sandbox::{Input, Sandbox, Shared, Source};
use chitin::target::snapshot::{End, Kind, LookError, Metadata};
use chitin::target::{Environment, Request, locate};
use chitin_policies::POLICIES;
use chitin_policy_sdk as sdk;

/// Makes this program a native audit of one target: the floor under the whole process.
const NATIVE_PROCESS: &str = "--native";

/// Whole processes of each kind.
const PROCESSES: usize = 41;
/// Runs of each kind within this process.
const RUNS: usize = 201;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, target] = arguments.as_slice()
        && flag == NATIVE_PROCESS
    {
        return native_process(Path::new(target));
    }
    let scratch = tempfile::tempdir().unwrap();
    let small = target(scratch.path(), 3_000);
    let large = target(scratch.path(), 100_000);
    let demo = scratch.path().join("demo");
    let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/demo/install");
    assert!(Command::new(install).arg(&demo).status().unwrap().success());

    println!("whole process, median of {PROCESSES}");
    let targets =
        [("demo", demo.join(".openclaw")), ("3,000 files", small.clone()), ("100,000 files", large.clone())];
    let medians: Vec<Duration> = targets.iter().map(|(name, target)| process(name, target)).collect();
    if let [_, small, large] = medians.as_slice() {
        println!("  {:.2} times as long for 33 times the files", ratio(*large, *small));
    }
    let map = stages(&small);
    against_native_process(&small, map);
    against_native(&small);
    walks(&small, &large);
}

/// A state directory with this many session transcripts, where the gateway puts them.
fn target(scratch: &Path, files: usize) -> PathBuf {
    let state = scratch.join(format!("state-{files}"));
    fs::create_dir(&state).unwrap();
    let agents: Vec<String> = (0..10).map(|number| format!("{{ id: 'agent{number}' }}")).collect();
    let config = format!(
        "{{ gateway: {{ bind: 'lan', auth: {{ token: 'a-token-of-no-account-at-all' }} }}, agents: {{ list: [{}] }} }}",
        agents.join(", ")
    );
    fs::write(state.join("openclaw.json"), config).unwrap();
    fs::set_permissions(state.join("openclaw.json"), fs::Permissions::from_mode(0o600)).unwrap();
    for number in 0..files {
        let folder = state.join(format!("agents/agent{}/sessions", number % 10));
        if number < 10 {
            fs::create_dir_all(&folder).unwrap();
        }
        fs::write(folder.join(format!("{number}.jsonl")), "").unwrap();
    }
    for number in 0..10 {
        let agent = state.join(format!("agents/agent{number}"));
        fs::create_dir_all(agent.join("agent")).unwrap();
        fs::write(agent.join("agent/auth-profiles.json"), "{}").unwrap();
        fs::write(agent.join("sessions/sessions.json"), "{}").unwrap();
    }
    state
}

fn chitin(target: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chitin"));
    command.args(["audit", "--json", "--timings", "--state-dir"]).arg(target).env_clear().env("HOME", target);
    command
}

fn process(name: &str, target: &Path) -> Duration {
    let mut times = Vec::new();
    let mut peak = String::new();
    for _ in 0..PROCESSES {
        let started = Instant::now();
        let output = chitin(target).output().unwrap();
        times.push(started.elapsed());
        let notes = String::from_utf8(output.stderr).unwrap();
        let line = notes.lines().find_map(|line| line.strip_suffix("  peak memory"));
        line.unwrap_or("?").trim().clone_into(&mut peak);
    }
    times.sort();
    let median = times[times.len() / 2];
    println!(
        "  {name:<14} {} (min {}, max {}), peak memory {peak}",
        ms(median),
        ms(times[0]),
        ms(times[times.len() - 1])
    );
    median
}

/// Median of each stage, as the program itself times them.
fn stages(target: &Path) -> f64 {
    println!("\nstages of a cold process, 3,000 files, median of {PROCESSES}");
    let mut stages: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
    let mut policies: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..PROCESSES {
        let notes = String::from_utf8(chitin(target).output().unwrap().stderr).unwrap();
        let mut sums = [("map", 0.0), ("instantiate", 0.0), ("call", 0.0)];
        for (number, line) in notes.lines().enumerate() {
            let Some((time, what)) = line.trim().split_once(" ms  ") else { continue };
            match what.split_once(" (") {
                None => stages.entry((number, what.to_owned())).or_default().push(time.parse().unwrap()),
                Some((_, parts)) => {
                    for part in parts.split([',', ';']) {
                        let words: Vec<&str> = part.split_whitespace().collect();
                        if let (Some(sum), Some(Ok(time))) = (
                            sums.iter_mut().find(|(name, _)| words.first() == Some(name)),
                            words.get(1).map(|word| word.parse::<f64>()),
                        ) {
                            sum.1 += time;
                        }
                    }
                }
            }
        }
        for (name, sum) in sums {
            policies.entry(name).or_default().push(sum);
        }
    }
    for ((_, stage), mut times) in stages {
        println!("  {:>8.3} ms  {stage}", median(&mut times));
    }
    let map = policies.get_mut("map").map_or(0.0, |times| median(times));
    for (name, mut times) in policies {
        println!(
            "  {:>8.3} ms  {name}, sum over all {} policies (two or more run at once)",
            median(&mut times),
            BUILTIN.len()
        );
    }
    map
}

/// Cold processes in pairs: sandboxed, and the same logic natively.
fn against_native_process(target: &Path, map: f64) {
    let time = |command: &mut Command| {
        let started = Instant::now();
        assert!(command.output().unwrap().status.code().is_some());
        started.elapsed().as_secs_f64() * 1e3
    };
    // Mapping is spread over the workers.
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(BUILTIN.len());
    let map = map / workers as f64;
    let (mut ratios, mut without) = (Vec::new(), Vec::new());
    for _ in 0..PROCESSES {
        let sandboxed = time(
            Command::new(env!("CARGO_BIN_EXE_chitin"))
                .args(["audit", "--json", "--state-dir"])
                .arg(target)
                .env_clear()
                .env("HOME", target),
        );
        let native =
            time(Command::new(std::env::current_exe().unwrap()).arg(NATIVE_PROCESS).arg(target).env_clear());
        ratios.push(sandboxed / native);
        without.push((sandboxed - map) / native);
    }
    println!(
        "\ncold process sandboxed against cold process native, 3,000 files, pairwise, median of {PROCESSES}"
    );
    println!("  {:.2} times; without mapping {:.2} times", median(&mut ratios), median(&mut without));
}

fn native_process(target: &Path) {
    let subject = subject(target);
    let host = Native { shared: subject.shared(), views: subject.view_numbers(None, None) };
    for (builtin, (_, audit)) in BUILTIN.iter().zip(POLICIES) {
        let manifest = builtin.manifest().unwrap();
        let input = chitin::audit::input(&subject, &manifest.capabilities);
        for finding in audit(&sdk::Context::new(convert(&input), &host).unwrap()).unwrap().findings {
            println!("{finding:#?}");
        }
    }
    let report = Report::new(&subject, &Evaluation::default(), Terms::default(), 0);
    Json.write(std::slice::from_ref(&report), &mut std::io::stdout().lock()).unwrap();
}

fn subject(target: &Path) -> Subject {
    let request = Request { state_dir: Some(target.to_owned()), ..Request::default() };
    let mut environment: Environment = [("HOME", target.to_str().unwrap())].into_iter().collect();
    let (located, problems) = locate(&request, &mut environment, target).unwrap();
    let config = chitin::config::load(&located, &mut environment);
    Subject::new(located, environment, config, problems, &Basis::default())
}

fn against_native(target: &Path) {
    println!("\nsandboxed against native, 3,000 files, warm, pairwise, median of {RUNS}");
    let sandbox = Sandbox::new().unwrap();
    let limits = Limits::default();
    let plan: Vec<Arc<Planned>> = BUILTIN
        .iter()
        .enumerate()
        .map(|(number, builtin)| Arc::new(Planned::builtin(number, builtin.manifest().unwrap())))
        .collect();
    let (mut whole, mut calls) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let started = Instant::now();
        let sandboxed = Arc::new(subject(target));
        let evaluation = evaluate(&sandbox, &sandboxed, &plan, &limits, &Budget::default());
        let report = Report::new(&sandboxed, &evaluation, Terms::default(), 0);
        assert!(report.incomplete.is_empty());
        let sum = |stage: fn(&chitin::sandbox::Stages) -> Duration| -> Duration {
            evaluation.outcomes.iter().map(|outcome| stage(&outcome.stages)).sum()
        };
        // Mapping is spread over the workers.
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(plan.len());
        let sandboxed_time =
            started.elapsed().saturating_sub(sum(|stages| stages.map) / u32::try_from(workers).unwrap());
        let sandboxed_calls = sum(|stages| stages.instantiate + stages.call);

        let started = Instant::now();
        let native = subject(target);
        let inputs: Vec<Input> =
            plan.iter().map(|planned| chitin::audit::input(&native, &planned.granted)).collect();
        let called = Instant::now();
        let mut findings = 0;
        for ((_, audit), input) in POLICIES.iter().zip(&inputs) {
            let host = Native { shared: native.shared(), views: native.view_numbers(None, None) };
            findings += audit(&sdk::Context::new(convert(input), &host).unwrap()).unwrap().findings.len();
        }
        let native_calls = called.elapsed();
        let empty = Report::new(&native, &Evaluation::default(), Terms::default(), 0);
        assert!(empty.findings.is_empty());
        let native_time = started.elapsed();
        assert_eq!(findings, report.findings.len(), "both see the same");
        whole.push((sandboxed_time, native_time));
        calls.push((sandboxed_calls, native_calls));
    }
    pairs("whole audit without mapping", &mut whole);
    pairs("instances and calls alone", &mut calls);
}

fn pairs(name: &str, times: &mut [(Duration, Duration)]) {
    let mut ratios: Vec<f64> = times.iter().map(|(a, b)| ratio(*a, *b)).collect();
    let ratio = median(&mut ratios);
    let mut a: Vec<f64> = times.iter().map(|(a, _)| a.as_secs_f64() * 1e3).collect();
    let mut b: Vec<f64> = times.iter().map(|(_, b)| b.as_secs_f64() * 1e3).collect();
    println!("  {name:<28} {:.3} ms against {:.3} ms: {ratio:.2} times", median(&mut a), median(&mut b));
}

/// What listing every folder of a target costs through the snapshot.
fn walks(small: &Path, large: &Path) {
    println!("\nsnapshot of every folder, median of 5");
    let mut medians = Vec::new();
    for (name, target) in [("3,000 files", small), ("100,000 files", large)] {
        let mut times: Vec<f64> = (0..5)
            .map(|_| {
                let subject = subject(target);
                let started = Instant::now();
                let seen = walk(&subject.shared().snapshot, Path::new(""));
                assert!(seen > 3_000);
                started.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        let time = median(&mut times);
        println!("  {name:<14} {time:.3} ms");
        medians.push(time);
    }
    if let [small, large] = medians.as_slice() {
        println!("  {:.1} times as long for 33 times the files", large / small);
    }
}

fn walk(snapshot: &chitin::target::snapshot::Snapshot, rel: &Path) -> usize {
    let entries = snapshot.list(0, rel).unwrap();
    let below = |entry: &chitin::target::listing::Entry<'_>| match entry.metadata.kind {
        Kind::Directory => 1 + walk(snapshot, &rel.join(entry.name)),
        _ => 1,
    };
    entries.iter().map(|entry| below(&entry)).sum()
}

/// The host of the native runs: the same snapshot and secrets, without a sandbox between.
struct Native {
    shared: Arc<Shared>,
    views: Arc<BTreeMap<String, usize>>,
}

impl Native {
    fn place(&self, path: &sdk::Path) -> Result<(usize, PathBuf), sdk::StateError> {
        let view = self.views.get(&path.view).ok_or(sdk::StateError::NotFound)?;
        Ok((*view, decode(&path.rel).map_err(|_| sdk::StateError::BadPath)?))
    }

    fn metadata(&self, metadata: Metadata) -> sdk::Metadata {
        let kind = match metadata.kind {
            Kind::File => sdk::Kind::File,
            Kind::Directory => sdk::Kind::Directory,
            Kind::Symlink => sdk::Kind::Symlink,
            Kind::Other => sdk::Kind::Other,
        };
        let Metadata { mode, uid, gid, links, size, .. } = metadata;
        sdk::Metadata { kind, mode, uid, gid, owned: uid == self.shared.owner, links, size }
    }
}

fn look_error(error: LookError) -> sdk::StateError {
    match error {
        LookError::NotFound => sdk::StateError::NotFound,
        LookError::ThroughLink => sdk::StateError::ThroughLink,
        LookError::WrongKind => sdk::StateError::WrongKind,
        LookError::Denied | LookError::Foreign(_) => sdk::StateError::Denied,
        LookError::Secret => sdk::StateError::Secret,
        LookError::Changed => sdk::StateError::Changed,
        LookError::TooMuch(text) | LookError::Io(text) => sdk::StateError::Io(text),
        LookError::Stopped => sdk::StateError::Io(error.to_string()),
    }
}

impl sdk::Host for Native {
    fn stat(&self, object: &sdk::Path) -> Result<sdk::Metadata, sdk::StateError> {
        let (view, rel) = self.place(object)?;
        self.shared.snapshot.stat(view, &rel).map(|metadata| self.metadata(metadata)).map_err(look_error)
    }

    fn resolve(&self, object: &sdk::Path) -> Result<sdk::Link, sdk::StateError> {
        let (view, rel) = self.place(object)?;
        let link = self.shared.snapshot.resolve(view, &rel).map_err(look_error)?;
        let target = match link.end {
            End::Inside => sdk::Target::Inside,
            End::Outside => sdk::Target::Outside,
            End::Dangling => sdk::Target::Dangling,
            End::Loop => sdk::Target::Loop,
        };
        let text = link.text.to_string_lossy().into_owned();
        let end = link.inside.map(|end| sdk::Path::new(&object.view, &chitin::sandbox::view::encode(&end)));
        Ok(sdk::Link { text, target, end, metadata: link.metadata.map(|metadata| self.metadata(metadata)) })
    }

    fn list(&self, directory: &sdk::Path) -> Result<Vec<sdk::Entry>, sdk::StateError> {
        let (view, rel) = self.place(directory)?;
        let entries = self.shared.snapshot.list(view, &rel).map_err(look_error)?;
        let entry = |entry: &chitin::target::listing::Entry<'_>| sdk::Entry {
            name: entry.name.to_string_lossy().into_owned(),
            metadata: self.metadata(*entry.metadata),
        };
        Ok(entries.iter().map(|one| entry(&one)).collect())
    }

    fn read(&self, object: &sdk::Path, limit: u32) -> Result<sdk::Content, sdk::StateError> {
        let (view, rel) = self.place(object)?;
        let content = self.shared.snapshot.read(view, &rel).map_err(look_error)?;
        let bytes: Vec<u8> = content.iter().take(limit as usize).copied().collect();
        Ok(sdk::Content { truncated: bytes.len() < content.len(), bytes })
    }

    fn rows(&self, _: &str, _: &[&str], _: u32, _: u32) -> Result<sdk::Page, sdk::RecordsError> {
        Err(sdk::RecordsError::NoTable)
    }

    fn has_literals(&self, view: &str) -> Result<Option<bool>, sdk::NotAssessed> {
        Ok(self.shared.has_literals(view))
    }

    fn probe(&self) -> Result<Option<sdk::ProbeResult>, sdk::NotAssessed> {
        Ok(None)
    }

    fn secret(&self, subject: &sdk::Subject) -> Result<Option<sdk::Facts>, sdk::NotAssessed> {
        let name = match subject {
            sdk::Subject::Config(pointer) => pointer.clone(),
            sdk::Subject::Env(name) => format!("env:{name}"),
        };
        Ok(self.shared.secrets.get(&name).map(|known| sdk::Facts {
            source: match known.facts.source {
                Source::Literal => sdk::SecretSource::Literal,
                Source::Environment => sdk::SecretSource::Environment,
                Source::Reference => sdk::SecretSource::Reference,
            },
            measures: known.facts.measures.map(|known| sdk::Measures {
                units: known.units,
                bytes: known.bytes,
                padded: known.padded,
                placeholder: known.placeholder,
                well_known: known.well_known,
                classes: known.classes,
                fingerprint: known.fingerprint,
            }),
        }))
    }
}

/// The runner's side of the contract as the guest's: the same records under other names.
fn convert(input: &Input) -> sdk::Input {
    sdk::Input {
        config: input.config.clone(),
        release: sdk::Release {
            year: input.release.year,
            month: input.release.month,
            patch: input.release.patch,
        },
        withheld: input.withheld.clone(),
        problems: Vec::new(),
        views: input
            .views
            .iter()
            .map(|view| sdk::View { name: view.name.clone(), display: view.display.clone() })
            .collect(),
        environment: input
            .environment
            .iter()
            .map(|variable| sdk::Variable { name: variable.name.clone(), value: variable.value.clone() })
            .collect(),
        permissions: sdk::Allowed { directory: input.permissions.directory, file: input.permissions.file },
        platform: sdk::Platform { os: input.platform.os.clone(), arch: input.platform.arch.clone() },
        deep: input.deep,
        now: input.now,
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
