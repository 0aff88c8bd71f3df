//! Budgets: every phase ends, and no stranger starves a built-in.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chitin::audit::{Basis, Evaluation, Origin, Planned, Subject, evaluate};
use chitin::budget::{Budget, PROCESSOR};
use chitin::policy::cache::Cache;
use chitin::policy::catalog::BUILTIN;
use chitin::sandbox::limits::Limits;
use chitin::sandbox::{Code, Sandbox, check, compile};
use chitin::target::{Environment, Request, locate};
use chitin_test_support::guest;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::support::{Answer, Home};

/// Who needs more hangs. The longest test here uses up the processor time of a whole audit.
const HANGS: Duration = Duration::from_mins(5);

const CONFIG: &[u8] =
    b"{gateway: {bind: \"loopback\", tailscale: {mode: \"funnel\"}, auth: {mode: \"none\"}}}";

/// A home with an installation in which there is something to find. It is made here, and not by the home's own means, which
/// look at everything again before each run: that would hang on a dead file system, too.
fn home() -> Home {
    let home = Home::new();
    for folder in [".openclaw", ".openclaw/credentials", ".openclaw/extensions", ".openclaw/extensions/one"] {
        fs::DirBuilder::new().mode(0o700).create(home.path().join(folder)).unwrap();
    }
    set_config(&home, CONFIG);
    home
}

fn set_config(home: &Home, text: &[u8]) {
    fs::write(home.path().join(".openclaw/openclaw.json"), text).unwrap();
}

/// Reads a pipe to its end, meanwhile.
fn read(mut pipe: impl std::io::Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    })
}

/// The program while it runs.
struct Running {
    child: Child,
    out: JoinHandle<String>,
    err: JoinHandle<String>,
}

impl Running {
    fn start(home: &Home, arguments: &[&str]) -> Self {
        let mut command = home.command();
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, out: read(out), err: read(err) }
    }

    fn signal(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// One signal, some time after the start.
    fn interrupt_after(self, time: Duration) -> Answer {
        std::thread::sleep(time);
        self.signal();
        self.end()
    }

    /// Waits for the end, which comes.
    fn end(mut self) -> Answer {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > HANGS {
                self.child.kill().unwrap();
                panic!("it hangs");
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let answer = Answer {
            code: status.code().unwrap_or_else(|| panic!("it ends by itself, not by {status}")),
            stdout: self.out.join().unwrap(),
            stderr: self.err.join().unwrap(),
        };
        assert!(!answer.stderr.contains("panicked"), "{}", answer.stderr);
        answer
    }
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

/// Why the audit is incomplete.
fn reasons(report: &Value) -> Vec<&str> {
    report["incomplete"].as_array().unwrap().iter().map(|part| part["reason"].as_str().unwrap()).collect()
}

/// The report of an audit that an interrupt ended: it says so, and calls nothing clean that was not looked at.
fn interrupted(answer: &Answer) -> Value {
    let report = json(answer);
    assert_eq!((answer.code, &report["exit"]["code"]), (3, &Value::from(3)), "{answer:?}");
    assert!(reasons(&report).iter().any(|reason| reason.starts_with("interrupted")), "{report}");
    report
}

/// The findings and assessments that are not those of strangers.
fn built_in(report: &Value) -> Vec<Value> {
    let own = |part: &&Value| !part["policy"].as_str().unwrap().starts_with("host");
    let all = [&report["findings"], &report["assessment"]].map(|list| list.as_array().unwrap());
    all.into_iter().flatten().filter(own).cloned().collect()
}

/// A guest under another name of the same length.
fn renamed(component: &str, number: usize) -> Vec<u8> {
    let mut bytes = fs::read(component).unwrap();
    let (old, new) = (b"hostile", format!("host{number:03}"));
    for at in 0..bytes.len() - old.len() {
        if bytes[at..].starts_with(old) {
            bytes[at..at + old.len()].copy_from_slice(new.as_bytes());
        }
    }
    bytes
}

fn write(home: &Home, name: &str, bytes: &[u8]) -> String {
    let path = home.path().join(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The built-in policies that are not only for deep audits.
fn plain() -> Vec<String> {
    let manifests = BUILTIN.iter().map(|builtin| builtin.manifest().unwrap().policy);
    manifests.filter(|policy| !policy.deep).map(|policy| policy.id).collect()
}

fn audit<'a>(policies: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
    let named = policies.into_iter().flat_map(|policy| ["--policy", policy]);
    ["audit", "--json"].into_iter().chain(named).collect()
}

#[test]
fn a_hundred_strangers_at_their_limits_take_nothing_from_the_built_ins() {
    let home = home();
    let plain = plain();
    let alone = json(&Running::start(&home, &audit(&plain)).end());
    assert!(reasons(&alone).is_empty(), "the control is complete");
    let component = guest("starts_forever").component;
    let strangers: Vec<String> =
        (0..100).map(|number| write(&home, &format!("{number}.wasm"), &renamed(component, number))).collect();
    // The strangers are named first, and run last.
    let answer = Running::start(&home, &audit(strangers.iter().chain(&plain))).end();
    let crowded = json(&answer);
    assert_eq!(answer.code, 3);
    assert_eq!(built_in(&crowded), built_in(&alone));
    let reasons = reasons(&crowded);
    assert_eq!(reasons.len(), 100);
    let named = ["fuel limit: ", "time slice limit: ", "processor time limit: "];
    for reason in reasons {
        assert!(named.iter().any(|name| reason.starts_with(name)), "{reason}");
    }
}

/// What an audit within so much processor time gives, with some policies of strangers that never end by themselves.
fn within(time: Duration, strangers: usize, home: &Home) -> Evaluation {
    let request = Request::default();
    let mut environment: Environment = [("HOME", home.path().to_str().unwrap())].into_iter().collect();
    let (located, problems) = locate(&request, &mut environment, home.path()).unwrap();
    let config = crate::support::load(&located, &mut environment);
    let subject = Subject::new(located, environment, config, problems, &Basis::default());
    let builtins = BUILTIN
        .iter()
        .enumerate()
        .map(|(number, builtin)| (builtin.manifest().unwrap(), Code::Builtin(number)));
    let builtins = builtins.filter(|(manifest, _)| !manifest.policy.deep);
    let foreign = (0..strangers).map(|number| {
        let component = renamed(guest("starts_forever").component, number);
        let program = Path::new(env!("CARGO_BIN_EXE_chitin"));
        let code = compile::in_child(program, &component, &Budget::default()).unwrap();
        let cache = Cache::of(&[("HOME", home.path().to_str().unwrap())].into_iter().collect(), None);
        let (file, _) = cache.keep(&code.label(&component).unwrap(), code.bytes()).unwrap();
        (check::inspect(&component).unwrap().manifest, Code::in_file(file))
    });
    let planned = |(manifest, code): (chitin::policy::manifest::Manifest, Code)| {
        let origin = if matches!(code, Code::Builtin(_)) { Origin::BuiltIn } else { Origin::File };
        let granted = manifest.capabilities.clone();
        Arc::new(Planned::new(manifest, granted, Ok(code), origin))
    };
    let plan: Vec<Arc<Planned>> = foreign.chain(builtins).map(planned).collect();
    let limits = Limits { fuel: u64::MAX, ..Limits::default() };
    let budget = Budget::default().share(PROCESSOR, time);
    evaluate(&Sandbox::new().unwrap(), &Arc::new(subject), &plan, &limits, &budget)
}

#[test]
fn strangers_have_equal_slices_of_what_the_built_ins_leave() {
    let home = home();
    let alone = within(Duration::from_secs(5), 0, &home);
    assert!(alone.outcomes.iter().all(|outcome| outcome.verdict.is_ok()), "the control is complete");
    let crowded = within(Duration::from_secs(5), 3, &home);
    let (strange, own) = crowded.outcomes.split_at(3);
    let said = |outcomes: &[chitin::audit::Outcome]| -> Vec<String> {
        outcomes.iter().map(|outcome| format!("{:?}", outcome.verdict)).collect()
    };
    assert_eq!(said(own), said(&alone.outcomes));
    let words: Vec<String> =
        strange.iter().map(|outcome| outcome.verdict.as_ref().unwrap_err().to_string()).collect();
    assert!(words[0].starts_with("time slice limit: 1"), "a third of what is left of 5 s: {words:?}");
    assert!(words.iter().all(|other| *other == words[0]), "{words:?}");
}

/// A file system that never answers: it is mounted, and whoever should serve it does not. None where that is not allowed.
struct DeadMount {
    place: PathBuf,
    _server: OwnedFd,
}

impl DeadMount {
    #[expect(clippy::print_stderr, reason = "a test that is skipped says why")]
    fn at(home: &Home, rel: &str) -> Option<Self> {
        let place = home.path().join(rel);
        let device = match rustix::fs::open("/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
            Ok(device) => device,
            Err(error) => {
                eprintln!("skipped: /dev/fuse cannot be opened: {error}");
                return None;
            }
        };
        let mut mount = Command::new("mount");
        mount
            .args(["-i", "-t", "fuse", "-o", "fd=0,rootmode=40000,user_id=0,group_id=0", "dead"])
            .arg(&place);
        let output = mount.stdin(device.try_clone().unwrap()).output();
        if !output.as_ref().is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: nothing can be mounted here: {output:?}");
            return None;
        }
        Some(Self { place, _server: device })
    }
}

impl Drop for DeadMount {
    fn drop(&mut self) {
        let ended = Command::new("umount").arg("-l").arg(&self.place).status();
        assert!(ended.is_ok_and(|status| status.success()), "{} stays mounted", self.place.display());
    }
}

const SHORT: [&str; 4] = ["audit", "--json", "--time-limit", "2s"];

#[test]
fn a_place_on_a_dead_file_system_ends_with_the_time_limit() {
    let home = home();
    // Long enough for those that do not look there to be done on any machine.
    let arguments = ["audit", "--json", "--time-limit", "20s"];
    let before = json(&Running::start(&home, &arguments).end());
    assert!(reasons(&before).is_empty(), "the control is complete");
    let Some(_dead) = DeadMount::at(&home, ".openclaw/credentials") else { return };
    let answer = Running::start(&home, &arguments).end();
    let report = json(&answer);
    assert_eq!(answer.code, 3, "{report}");
    let reasons = reasons(&report);
    assert!(reasons.contains(&"wall clock limit: 20 s allowed, not ended (see --time-limit)"), "{reasons:?}");
    // Whoever did not look there has a verdict.
    let of = |report: &Value, check: &str| {
        let all = report["assessment"].as_array().unwrap();
        all.iter().find(|one| one["checkId"] == check).unwrap()["status"].clone()
    };
    assert_eq!(of(&report, "gateway.tailscale_funnel"), "finding");
    let hung = "fs.credentials_dir.perms_readable";
    assert_eq!((of(&before, hung), of(&report, hung)), ("clean".into(), "not-assessed".into()));
}

#[test]
fn a_target_on_a_dead_file_system_ends_with_the_time_limit() {
    let home = home();
    let Some(_dead) = DeadMount::at(&home, ".openclaw") else { return };
    let answer = Running::start(&home, &SHORT).end();
    let report = json(&answer);
    assert_eq!((answer.code, &report["exit"]["code"]), (3, &Value::from(3)));
    let expected =
        "the target was not read to its end: wall clock limit: 2 s allowed, not ended (see --time-limit)";
    assert_eq!(reasons(&report), [expected]);
    let all = report["assessment"].as_array().unwrap();
    assert!(!all.is_empty() && all.iter().all(|one| one["status"] == "not-assessed"));
    let text = Running::start(&home, &["audit", "--time-limit", "1s"]).end();
    assert!(text.code == 3 && text.stdout.contains("NOT ASSESSED"), "{text:?}");
    let fix = Running::start(&home, &["fix", "--yes", "--time-limit", "1s"]).end();
    assert_eq!((fix.code, fix.stdout.as_str()), (3, ""));
    assert!(fix.stderr.starts_with("error: wall clock limit: 1 s allowed"), "{fix:?}");
}

#[test]
fn code_on_a_dead_file_system_ends_with_the_time_limit() {
    let home = home();
    let arguments = [SHORT.as_slice(), &["--deep"]].concat();
    let before = Running::start(&home, &arguments).end();
    assert!(!reasons(&json(&before)).iter().any(|reason| reason.contains("wall clock")), "{before:?}");
    let Some(_dead) = DeadMount::at(&home, ".openclaw/extensions") else { return };
    let answer = Running::start(&home, &arguments).end();
    assert_eq!(answer.code, 3);
    assert!(
        reasons(&json(&answer)).iter().any(|reason| reason.contains("wall clock limit: 2 s")),
        "{answer:?}"
    );
}

#[test]
fn one_signal_ends_what_hangs() {
    for place in [".openclaw", ".openclaw/credentials", ".openclaw/extensions"] {
        let home = home();
        let Some(_dead) = DeadMount::at(&home, place) else { return };
        for deep in [&["audit", "--json"][..], &["audit", "--json", "--deep"]] {
            interrupted(&Running::start(&home, deep).interrupt_after(Duration::from_secs(1)));
        }
        let fix = Running::start(&home, &["fix", "--yes"]).interrupt_after(Duration::from_secs(1));
        if place == ".openclaw/extensions" {
            continue; // a fix has no reason to look there
        }
        assert_eq!(fix.code, 3, "{fix:?}");
        let said = [fix.stdout.as_str(), &fix.stderr].concat();
        assert!(said.contains("interrupted before it ended"), "{said}");
    }
}

#[test]
fn one_signal_ends_the_runs() {
    let home = home();
    let component = guest("starts_forever").component;
    let strangers: Vec<String> =
        (0..40).map(|number| write(&home, &format!("{number}.wasm"), &renamed(component, number))).collect();
    // Be it while they are compiled or while they run.
    for time in [300, 4_000] {
        let answer = Running::start(&home, &audit(&strangers)).interrupt_after(Duration::from_millis(time));
        let report = interrupted(&answer);
        let all = report["assessment"].as_array().unwrap();
        assert!(all.iter().all(|one| one["status"] == "not-assessed"), "{report}");
    }
}

#[test]
fn one_signal_ends_the_reading_of_the_largest_config() {
    let home = home();
    let entry = |number: usize| format!("\"k{number}\":{{\"token\":\"{}\"}}", "x".repeat(40));
    let entries: Vec<String> = (0..200_000).map(entry).collect();
    let text = format!("{{\"env\":{{\"vars\":{{{}}}}}}}", entries.join(","));
    assert!(text.len() < 16 << 20 && text.len() > 10 << 20);
    set_config(&home, text.as_bytes());
    for time in [20, 100, 300] {
        let answer = Running::start(&home, &["audit", "--json"]).interrupt_after(Duration::from_millis(time));
        // Before the program listens, the signal ends it; and it may be done already.
        if answer.code == 3 {
            json(&answer);
        }
    }
}

/// A state directory in which one link is dear to resolve: many links in a row, each through many folders.
fn slow_link(home: &Home) {
    let state = home.path().join(".openclaw");
    let (folders, links) = (1_900, 38);
    let mut here = rustix::fs::open(&state, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    for _ in 0..folders {
        rustix::fs::mkdirat(&here, "d", Mode::RWXU).unwrap();
        here = rustix::fs::openat(&here, "d", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    }
    let deep = vec!["d"; folders].join("/");
    rustix::fs::mknodat(&here, "x", FileType::RegularFile, Mode::RUSR, 0).unwrap();
    for number in 0..links {
        let next = number + 1;
        let text =
            if next < links { format!("{}/{deep}/l{next}", state.to_str().unwrap()) } else { "x".to_owned() };
        rustix::fs::symlinkat(text, &here, format!("l{number}")).unwrap();
    }
    rustix::fs::symlinkat(format!("{deep}/l0"), CWD, state.join("s")).unwrap();
}

#[test]
fn places_that_are_dear_to_resolve_are_the_time_of_their_policy() {
    let component = guest("names_slow_links").component;
    let arguments =
        ["audit", "--json", "--policy", "gateway-exposure", "--policy", component, "--grant", "all"];
    let home = home();
    let control = json(&Running::start(&home, &arguments).end());
    assert!(reasons(&control).is_empty(), "{control}");
    slow_link(&home);
    let answer = Running::start(&home, &arguments).end();
    let report = json(&answer);
    assert_eq!(built_in(&report), built_in(&control));
    let of_guest =
        report["assessment"].as_array().unwrap().iter().find(|one| one["policy"] == "hostile").unwrap();
    match of_guest["status"].as_str().unwrap() {
        // Where such a link is cheap to follow, there is no attack.
        "finding" => assert!(reasons(&report).is_empty(), "{report}"),
        status => {
            assert_eq!((status, answer.code), ("not-assessed", 3));
            assert_eq!(reasons(&report), ["time limit: 10 s allowed, still running"]);
        }
    }
    interrupted_or_done(&Running::start(&home, &arguments).interrupt_after(Duration::from_secs(3)));
}

/// An interrupt may come too late; then the audit is done.
fn interrupted_or_done(answer: &Answer) {
    if answer.code == 3 {
        interrupted(answer);
    } else {
        assert!(reasons(&json(answer)).is_empty());
    }
}

/// A number of the binary format.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

fn section(id: u8, body: &[u8]) -> Vec<u8> {
    [vec![id], leb(body.len()), body.to_vec()].concat()
}

/// The sections of a guest, behind which others can be put.
fn with_sections(name: &str, sections: &[Vec<u8>]) -> Vec<u8> {
    [fs::read(guest(name).component).unwrap(), sections.concat()].concat()
}

#[test]
fn a_component_that_multiplies_its_instances_is_refused_by_name() {
    let component = |sections: &[Vec<u8>]| [b"\0asm\x0d\0\x01\0".to_vec(), sections.concat()].concat();
    // Twenty levels, each of which instantiates the one before ten times.
    let instances = |count: usize, number: usize| {
        section(5, &[leb(count), [vec![0], leb(number), leb(0)].concat().repeat(count)].concat())
    };
    let mut sections = vec![section(4, &component(&[]))];
    for level in 1..20 {
        let outer = section(6, &[vec![1, 4, 2, 1], leb(level - 1)].concat());
        sections.push(section(4, &component(&[outer, instances(10, 0)])));
    }
    // The guest itself holds components already, whose number is not looked at here.
    let own = |count: usize| [sections.clone(), vec![instances(1, count + 19)]].concat();
    let home = home();
    let bytes = (0..4).map(|count| with_sections("stays_silent", &own(count)));
    let refused: Vec<_> = bytes.filter(|bytes| check::inspect(bytes).is_err()).collect();
    let bomb = write(&home, "bomb.wasm", refused.first().unwrap());
    let arguments = ["audit", "--json", "--policy", "gateway-exposure", "--policy", &bomb];
    let answer = Running::start(&home, &arguments).end();
    let report = json(&answer);
    assert_eq!(answer.code, 3);
    let reasons = reasons(&report);
    assert!(reasons[0].starts_with("refused: instances limit: 1000 allowed, "), "{reasons:?}");
    let control = json(&Running::start(&home, &["audit", "--json", "--policy", "gateway-exposure"]).end());
    assert_eq!(built_in(&report), built_in(&control));
}

#[test]
fn one_signal_ends_the_compiler() {
    // A module with so many functions as are allowed keeps it busy for some seconds.
    let body = [vec![0], [0x41, 1, 0x1a].repeat(300), vec![0x0b]].concat();
    let functions = 60_000;
    let types = section(1, &[1, 0x60, 0, 0]);
    let declared = section(3, &[leb(functions), vec![0; functions]].concat());
    let bodies = [leb(functions), [leb(body.len()), body].concat().repeat(functions)].concat();
    let module = [b"\0asm\x01\0\0\0".to_vec(), types, declared, section(10, &bodies)].concat();
    let home = home();
    let large = write(&home, "large.wasm", &with_sections("stays_silent", &[section(1, &module)]));
    let arguments = ["audit", "--json", "--policy", "gateway-exposure", "--policy", &large];
    let running = Running::start(&home, &arguments);
    let children = format!("/proc/{0}/task/{0}/children", running.child.id());
    let began = Instant::now();
    while fs::read_to_string(&children).is_ok_and(|children| children.trim().is_empty()) {
        assert!(began.elapsed() < HANGS, "no compiler was started");
        std::thread::sleep(Duration::from_millis(1));
    }
    let compiler = fs::read_to_string(&children).unwrap_or_default();
    running.signal();
    let answer = running.end();
    interrupted(&answer);
    for child in compiler.split_whitespace() {
        assert!(!Path::new("/proc").join(child).exists(), "the compiler goes on");
    }
}

#[test]
fn a_time_limit_out_of_its_range_is_told() {
    let home = home();
    for (limit, said) in [
        ("0s", "it must be from 1s to 24h"),
        ("25h", "it must be from 1s to 24h"),
        ("soon", "write for example 90s or 10m"),
    ] {
        for command in ["audit", "fix"] {
            let answer = Running::start(&home, &[command, "--time-limit", limit]).end();
            assert_eq!((answer.code, answer.stdout.as_str()), (2, ""));
            assert!(answer.stderr.contains(said), "{}", answer.stderr);
        }
    }
    assert_eq!(Running::start(&home, &["audit", "--time-limit", "90s"]).end().code, 1);
}
