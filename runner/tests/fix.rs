//! Fixes on real targets: byte-exact edits, every fault, every kill, and what a hostile policy or target tries.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test makes its target, and stops where it cannot"
)]

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, LazyLock};

use chitin::audit::{Basis, Report, Subject, Terms, evaluate};
use chitin::budget::Budget;
use chitin::fix::journal::{Outcome, Record};
use chitin::fix::{Applied, Journal, Lock, Proven, Undone, apply, clean_up, prove, undo};
use chitin::policy::catalog::BUILTIN;
use chitin::sandbox::Sandbox;
use chitin::sandbox::limits::Limits;
use chitin::target::{Environment, Preview, Request, locate};
use chitin_test_support::guest;
use serde_json::Value;

/// The release that these tests judge by.
const RELEASE: chitin::config::release::Word = chitin::config::release::Word {
    asked: Some(chitin::config::release::Release::new(2026, 2, 19)),
    greeted: None,
};

/// The config before and after: only the two words change.
const BEFORE: &str = "\u{feff}// kept\r\n{\r\n  logging: { redactSensitive: 'off', }, // why\r\n\tgateway: {auth:{token:'0123456789abcdef0123456789abcdef'},},\r\n}\r\n\r\n";

/// One for the process: the code of the built-in policies is mapped once.
static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| Sandbox::new().unwrap());

fn after() -> String {
    BEFORE.replace("'off'", "'tools'")
}

struct Home {
    root: PathBuf,
    /// Removes the folder in the end, where it is ours.
    _own: Option<tempfile::TempDir>,
}

impl Home {
    /// One that another process made.
    fn existing(root: &str) -> Self {
        Self { root: PathBuf::from(root), _own: None }
    }

    /// An installation with one value and several modes to mend.
    fn new() -> Self {
        let own = tempfile::tempdir().unwrap();
        let home = Self { root: own.path().to_owned(), _own: Some(own) };
        for folder in
            ["state/agents/main/agent", "state/agents/main/sessions", "state/credentials", "state/empty"]
        {
            fs::create_dir_all(home.path(folder)).unwrap();
            home.chmod(folder, 0o700);
        }
        home.file("state/openclaw.json", 0o644, BEFORE);
        home.file("state/agents/main/agent/auth-profiles.json", 0o664, "{}");
        home.file("state/agents/main/sessions/1.jsonl", 0o640, "");
        home.chmod("state", 0o755);
        home
    }

    fn path(&self, rel: &str) -> PathBuf {
        self.root.join(rel)
    }

    fn file(&self, rel: &str, mode: u32, content: &str) {
        fs::write(self.path(rel), content).unwrap();
        self.chmod(rel, mode);
    }

    fn chmod(&self, rel: &str, mode: u32) {
        fs::set_permissions(self.path(rel), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn mode(&self, rel: &str) -> u32 {
        self.path(rel).symlink_metadata().unwrap().permissions().mode() & 0o7777
    }

    fn config(&self) -> String {
        fs::read_to_string(self.path("state/openclaw.json")).unwrap()
    }

    fn journal(&self) -> Journal {
        Journal::at(&self.path("journal"))
    }

    fn chitin(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chitin"));
        command.args(arguments).arg("--state-dir").arg(self.path("state")).current_dir(&self.root);
        command.env_clear().env("HOME", &self.root).env("XDG_STATE_HOME", self.path("xdg"));
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.chitin(arguments).output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)))
    }

    /// What lies beside the config: nothing of a run may be left there.
    fn leftovers(&self) -> Vec<String> {
        let names = fs::read_dir(self.path("state")).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.contains("chitin")).collect()
    }

    fn read(&self, preview: &Preview) -> Subject {
        let request = Request { state_dir: Some(self.path("state")), ..Request::default() };
        let home = [("HOME".to_owned(), self.root.to_string_lossy().into_owned())];
        let mut environment: Environment = home.into_iter().collect();
        let (located, problems) = locate(&request, &mut environment, &self.root).unwrap();
        let config = chitin::config::load_preview(&located, &mut environment, preview, RELEASE);
        let basis = Basis { preview: preview.clone(), ..Basis::default() };
        Subject::new(located, environment, config, problems, &basis)
    }

    fn prepare(&self) -> Proven {
        let policies = policies();
        let audit = |preview: &Preview| {
            let subject = Arc::new(self.read(preview));
            let evaluation = evaluate(&SANDBOX, &subject, &policies, &Limits::default(), &Budget::default());
            let report = Report::new(&subject, &evaluation, Terms::default(), 0);
            (subject, report)
        };
        let (subject, report) = audit(&Preview::default());
        let trials = std::cell::Cell::new(0);
        let judge = |preview: &Preview, _: &dyn Fn(&str) -> bool| {
            trials.set(trials.get() + 1);
            Ok(audit(preview))
        };
        let proven = prove(&subject, &report, &|_| true, &judge).unwrap();
        assert_eq!(trials.get(), 1, "in the ordinary case one trial is enough");
        proven
    }

    fn apply(&self, proven: &Proven, step: &mut dyn FnMut(&'static str) -> io::Result<()>) -> Applied {
        apply(proven, &self.path("state"), &self.journal(), step).unwrap()
    }

    fn undo(&self) -> (Record, usize) {
        let journal = self.journal();
        let mut record = journal.runs().unwrap().remove(0);
        let all = undo(&journal, &mut record, &mut |_| Ok(())).unwrap();
        let kept = all.iter().filter(|(_, done)| matches!(done, Undone::Kept(_))).count();
        (record, kept)
    }

    /// Everything is as it was made, or as the fix leaves it; nothing in between, and nothing wider.
    fn is_whole(&self) {
        let config = self.config();
        assert!(config == BEFORE || config == after(), "{config:?}");
        for (rel, before, fixed) in MODES {
            let mode = self.mode(rel);
            assert!(mode == before || mode == fixed, "{rel} has mode {mode:o}");
        }
    }

    fn is_untouched(&self) {
        assert_eq!(self.config(), BEFORE);
        for (rel, before, _) in MODES {
            assert_eq!(self.mode(rel), before, "{rel}");
        }
        assert_eq!(self.leftovers(), [""; 0]);
    }

    fn is_fixed(&self) {
        assert_eq!(self.config(), after());
        for (rel, _, fixed) in MODES {
            assert_eq!(self.mode(rel), fixed, "{rel}");
        }
        assert_eq!(self.leftovers(), [""; 0]);
    }
}

/// All built-in policies, with all that they declare.
fn policies() -> Vec<Arc<chitin::audit::Planned>> {
    let planned = BUILTIN.iter().enumerate().map(|(number, builtin)| {
        Arc::new(chitin::audit::Planned::builtin(number, builtin.manifest().unwrap()))
    });
    planned.collect()
}

/// Each place, its mode before, and its mode after the fix.
const MODES: [(&str, u32, u32); 4] = [
    ("state", 0o755, 0o700),
    ("state/openclaw.json", 0o644, 0o600),
    ("state/agents/main/agent/auth-profiles.json", 0o664, 0o600),
    ("state/agents/main/sessions/1.jsonl", 0o640, 0o600),
];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_fix_changes_what_it_shows_and_undo_takes_it_back() {
    let home = Home::new();
    let shown = text(&home.run(&["fix", "--dry-run"]).stdout);
    assert!(shown.contains("+  logging: { redactSensitive: 'tools', }, // why"), "{shown}");
    assert!(shown.contains("0755 -> 0700  rwxr-xr-x -> rwx------"), "{shown}");
    assert!(!shown.contains("0123456789abcdef"), "a secret is shown: {shown}");
    home.is_untouched();
    let done = home.run(&["fix", "--yes"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    home.is_fixed();
    assert!(text(&home.run(&["fix", "--yes"]).stdout).contains("nothing that a fix can change"));
    let undone = home.run(&["undo"]);
    assert_eq!(undone.status.code(), Some(0), "{}", text(&undone.stderr));
    home.is_untouched();
    let again = home.run(&["undo"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("there is no fix of"), "{}", text(&again.stderr));
}

#[test]
fn what_a_worker_planned_beside_policies_is_judged_again() {
    let home = Home::new();
    let subject = home.read(&Preview::default());
    let honest = home.prepare().plan;
    assert_eq!(honest.judged_again(&subject).values, honest.values);
    assert_eq!(honest.judged_again(&subject).modes, honest.modes);
    let change = honest.values.first().unwrap();
    let mut taken = honest.clone();
    for (pointer, after) in [
        ("/gateway/auth/token", "of-somebody-else"),
        ("/env/NODE_OPTIONS", "--require=/tmp/evil.js"),
        ("/gateway/bind", "lan"),
    ] {
        let (pointer, after) = (pointer.to_owned(), Value::from(after));
        taken.values.push(chitin::fix::plan::ValueChange { pointer, after, ..change.clone() });
    }
    let mut laxer = change.clone();
    (laxer.before, laxer.after) = (Some(laxer.after), laxer.before.unwrap());
    let judged = taken.judged_again(&subject);
    assert_eq!(judged.values, honest.values);
    assert_eq!(judged.refused.len(), honest.refused.len() + 3);
    taken.values = vec![laxer];
    assert_eq!(taken.judged_again(&subject).values, []);
}

#[test]
fn an_included_file_is_edited_where_the_value_stands() {
    let home = Home::new();
    let main = "{ channels: { $include: './channels.json5' }, /* secrets stay apart */ }";
    let include = "// channels\n{ telegram: { botToken: '1:a', groupPolicy: \"open\" /* for now */ } }";
    home.file("state/openclaw.json", 0o600, main);
    home.file("state/channels.json5", 0o640, include);
    let done = home.run(&["fix", "--yes"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert_eq!(home.config(), main);
    let edited = fs::read_to_string(home.path("state/channels.json5")).unwrap();
    assert_eq!(edited, include.replace("\"open\"", "\"allowlist\""));
    assert_eq!(home.mode("state/channels.json5"), 0o600);
    assert_eq!(home.leftovers(), [""; 0]);
}

#[test]
fn databases_and_what_lies_beside_them_are_closed() {
    let home = Home::new();
    fs::create_dir(home.path("state/state")).unwrap();
    let databases = ["state/state/openclaw.sqlite", "state/agents/main/agent/openclaw-agent.sqlite"];
    let beside = ["", "-wal", "-shm", "-journal"];
    let mut places: Vec<String> =
        databases.iter().flat_map(|database| beside.map(|end| format!("{database}{end}"))).collect();
    places.extend(["", ".doctor-importing"].map(|end| format!("state/exec-approvals.json{end}")));
    for place in &places {
        home.file(place, 0o664, "");
    }
    home.run(&["fix", "--yes"]);
    for place in &places {
        assert_eq!(home.mode(place), 0o600, "{place}");
    }
}

#[test]
fn without_a_terminal_nothing_is_done_unasked() {
    let home = Home::new();
    let run = home.run(&["fix"]);
    assert_eq!(run.status.code(), Some(2));
    assert!(text(&run.stderr).contains("give --yes"), "{}", text(&run.stderr));
    home.is_untouched();
}

#[test]
fn only_selects_by_check() {
    let home = Home::new();
    home.run(&["fix", "--yes", "--only", "fs.state_dir.perms_readable"]);
    assert_eq!((home.mode("state"), home.config().as_str()), (0o700, BEFORE));
    let wrong = home.run(&["fix", "--yes", "--only", "fs.state_dir.perms_readible"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("did you mean --only fs.state_dir.perms_readable?"));
}

#[test]
fn a_sites_own_rule_is_the_rule_of_check_and_fix() {
    let home = Home::new();
    home.file("chitin.toml", 0o600, "[permissions]\ndirectory = \"2770\"\nfile = \"660\"\n");
    home.chmod("state", 0o2775);
    home.file("state/openclaw.json", 0o660, BEFORE);
    let settings = home.path("chitin.toml");
    home.run(&["fix", "--yes", "--settings", settings.to_str().unwrap()]);
    assert_eq!((home.mode("state"), home.mode("state/openclaw.json")), (0o2770, 0o660));
    assert_eq!(home.mode("state/agents/main/agent/auth-profiles.json"), 0o660);
    let report = home.json(&["audit", "--json", "--settings", settings.to_str().unwrap()]);
    let ids: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|finding| finding["checkId"].as_str())
        .collect();
    assert!(!ids.iter().any(|id| id.starts_with("fs.")), "{ids:?}");
}

/// The names of all steps of a whole run.
fn steps() -> Vec<&'static str> {
    let home = Home::new();
    let mut steps = Vec::new();
    let applied = home.apply(&home.prepare(), &mut |name| {
        steps.push(name);
        Ok(())
    });
    assert!(applied.failed.is_empty(), "{:?}", applied.failed);
    home.is_fixed();
    steps
}

#[test]
fn a_fault_at_any_step_leaves_everything_whole_and_can_be_taken_back() {
    let steps = steps();
    assert!(steps.len() > 10, "{steps:?}");
    for (number, name) in steps.iter().enumerate() {
        for error in [rustix::io::Errno::NOSPC, rustix::io::Errno::ROFS, rustix::io::Errno::IO] {
            let home = Home::new();
            let mut count = 0;
            let applied = home.apply(&home.prepare(), &mut |_| {
                count += 1;
                if count == number + 1 { Err(error.into()) } else { Ok(()) }
            });
            assert_eq!(applied.failed.len(), 1, "{name}");
            assert!(
                applied.failed[0].error.to_string().contains(name),
                "{name}: {}",
                applied.failed[0].error
            );
            home.is_whole();
            let (record, kept) = home.undo();
            assert_eq!((record.outcome, kept), (Some(Outcome::Undone), 0), "{name}");
            home.is_untouched();
        }
    }
}

/// Kills itself at the step that the environment names; only [`a_kill_at_any_step_can_be_taken_back`] starts it.
#[test]
#[ignore = "a part of another test"]
fn child_that_is_killed() {
    let (Ok(folder), Ok(kill_at)) = (std::env::var("CHITIN_TEST_HOME"), std::env::var("CHITIN_TEST_KILL_AT"))
    else {
        return;
    };
    let home = Home::existing(&folder);
    let mut left: usize = kill_at.parse().unwrap();
    home.apply(&home.prepare(), &mut |_| {
        if left == 0 {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
        }
        left -= 1;
        Ok(())
    });
}

#[test]
fn a_kill_at_any_step_can_be_taken_back() {
    for (number, name) in steps().iter().enumerate() {
        let home = Home::new();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "child_that_is_killed", "--ignored"]);
        child.env("CHITIN_TEST_HOME", &home.root).env("CHITIN_TEST_KILL_AT", number.to_string());
        let status = child.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert_eq!(status.signal(), Some(9), "{name}");
        home.is_whole();
        let journal = home.journal();
        if number % 2 == 0 {
            clean_up(&journal, &home.path("state")).unwrap();
            assert_eq!(home.leftovers(), [""; 0], "{name}");
            home.is_whole();
        }
        let (record, kept) = home.undo();
        assert_eq!((record.outcome, kept), (Some(Outcome::Undone), 0), "{name}");
        home.is_untouched();
    }
}

#[test]
fn the_program_can_be_killed_at_any_time() {
    /// How often it is killed.
    const ROUNDS: u64 = 200;
    let whole = std::time::Instant::now();
    assert!(Home::new().run(&["fix", "--yes"]).status.success());
    let whole = whole.elapsed();
    let mut killed = 0;
    for round in 0..ROUNDS {
        let home = Home::new();
        let mut child =
            home.chitin(&["fix", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Spread over the time that a whole run takes.
        std::thread::sleep(whole * u32::try_from(round).unwrap() / u32::try_from(ROUNDS).unwrap());
        child.kill().unwrap();
        killed += usize::from(child.wait().unwrap().signal() == Some(9));
        home.is_whole();
        // Its children end with it, a moment later, and have the lock that it had.
        let run = |arguments: &[&str]| loop {
            let answer = home.run(arguments);
            if !text(&answer.stderr).contains("another fix is at work") {
                break answer;
            }
        };
        if round % 2 == 0 {
            let again = run(&["fix", "--yes"]);
            assert!(again.status.success(), "{round}: {}", text(&again.stderr));
            home.is_fixed();
        } else if run(&["undo"]).status.code() == Some(0) {
            home.is_untouched();
        } else {
            // It was killed before it wrote anything down, and so before it changed anything.
            assert_eq!(home.config(), BEFORE, "{round}");
        }
    }
    assert!(killed > 0, "every run came to its end");
}

/// Runs a plan while somebody else changes the target at a step.
fn disturbed(at: &str, disturb: impl Fn(&Home)) -> (Home, Applied) {
    let home = Home::new();
    let proven = home.prepare();
    let mut done = false;
    let applied = home.apply(&proven, &mut |name| {
        if name == at && !done {
            done = true;
            disturb(&home);
        }
        Ok(())
    });
    assert!(done, "there is no step \"{at}\"");
    (home, applied)
}

#[test]
fn a_file_that_changes_meanwhile_is_left_to_whoever_changed_it() {
    for at in ["create the new file", "write the new file", "flush the new file", "put the new file in place"]
    {
        let edit = |home: &Home| fs::write(home.path("state/openclaw.json"), "{ /* theirs */ }").unwrap();
        let replace = |home: &Home| {
            fs::write(home.path("state/new"), "{ /* theirs */ }").unwrap();
            fs::rename(home.path("state/new"), home.path("state/openclaw.json")).unwrap();
        };
        for disturb in [&edit as &dyn Fn(&Home), &replace] {
            let (home, applied) = disturbed(at, disturb);
            assert_eq!(home.config(), "{ /* theirs */ }", "{at}");
            assert!(applied.failed[0].error.to_string().contains("changed meanwhile"), "{at}");
            assert_eq!(home.leftovers(), [""; 0], "{at}");
            assert_eq!(home.mode("state"), 0o700, "the other changes are made");
        }
    }
}

#[test]
fn a_link_that_is_put_in_place_meanwhile_is_not_followed() {
    let swap = |rel: &'static str| {
        move |home: &Home| {
            fs::write(home.path("outside"), BEFORE).unwrap();
            home.chmod("outside", 0o666);
            fs::remove_file(home.path(rel)).unwrap();
            symlink(home.path("outside"), home.path(rel)).unwrap();
        }
    };
    for at in ["create the new file", "put the new file in place"] {
        let (home, applied) = disturbed(at, swap("state/openclaw.json"));
        assert_eq!(fs::read_to_string(home.path("outside")).unwrap(), BEFORE);
        assert_eq!((home.mode("outside"), applied.failed.len()), (0o666, 1), "{at}");
    }
    let (home, applied) =
        disturbed("create the new file", swap("state/agents/main/agent/auth-profiles.json"));
    assert_eq!((home.mode("outside"), applied.failed.len()), (0o666, 1));
}

#[test]
fn a_folder_that_is_moved_away_meanwhile_takes_nothing_with_it() {
    let (home, applied) = disturbed("create the new file", |home| {
        fs::create_dir_all(home.path("elsewhere/agent")).unwrap();
        home.file("elsewhere/agent/auth-profiles.json", 0o666, "{}");
        fs::rename(home.path("state/agents/main"), home.path("moved")).unwrap();
        symlink(home.path("elsewhere"), home.path("state/agents/main")).unwrap();
    });
    assert_eq!(home.mode("elsewhere/agent/auth-profiles.json"), 0o666);
    assert!(!applied.failed.is_empty());
}

#[test]
fn two_fixes_do_not_work_at_once() {
    let home = Home::new();
    let lock = Lock::take(&Journal::at(&home.path("xdg/chitin/runs")), &home.path("state")).unwrap();
    for command in [["fix", "--yes"], ["audit", "--fix"]] {
        let run = home.run(&command);
        assert_eq!(run.status.code(), Some(2));
        assert!(text(&run.stderr).contains("another fix is at work"), "{}", text(&run.stderr));
    }
    home.is_untouched();
    drop(lock);
    assert!(home.run(&["fix", "--yes"]).status.success());
}

#[test]
fn without_a_journal_nothing_is_changed() {
    let home = Home::new();
    fs::write(home.path("xdg"), "a file stands where the folder should be").unwrap();
    let run = home.run(&["fix", "--yes"]);
    assert_eq!(run.status.code(), Some(2));
    assert!(text(&run.stderr).contains("nothing was changed"), "{}", text(&run.stderr));
    home.is_untouched();
    fs::remove_file(home.path("xdg")).unwrap();
    fs::create_dir_all(home.path("xdg/chitin/runs")).unwrap();
    home.chmod("xdg/chitin/runs", 0o777);
    let run = home.run(&["fix", "--yes"]);
    assert!(text(&run.stderr).contains("is not a directory of yours alone"), "{}", text(&run.stderr));
    home.is_untouched();
}

#[test]
fn the_target_chooses_neither_the_rule_nor_the_journal() {
    let home = Home::new();
    fs::create_dir_all(home.path("state/evil/chitin")).unwrap();
    home.file("state/evil/chitin/chitin.toml", 0o600, "[permissions]\ndirectory = \"777\"\nfile = \"666\"\n");
    let evil = home.path("state/evil").display().to_string();
    home.file("state/.env", 0o600, &format!("XDG_CONFIG_HOME={evil}\nXDG_STATE_HOME={evil}\n"));
    let done = home.chitin(&["fix", "--yes"]).env_remove("XDG_STATE_HOME").output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    home.is_fixed();
    assert!(!home.path("state/evil/chitin/runs").exists());
    assert!(home.path(".local/state/chitin/runs").exists());
}

#[test]
fn undo_leaves_what_was_changed_since() {
    let home = Home::new();
    home.run(&["fix", "--yes"]);
    let theirs = after().replace("why", "because");
    home.file("state/openclaw.json", 0o600, &theirs);
    home.chmod("state", 0o750);
    let undone = home.run(&["undo"]);
    assert_eq!(undone.status.code(), Some(3), "{}", text(&undone.stdout));
    assert_eq!((home.config(), home.mode("state")), (theirs, 0o750));
    assert_eq!(home.mode("state/agents/main/agent/auth-profiles.json"), 0o664, "the rest is taken back");
}

#[test]
fn a_config_that_can_be_read_in_two_ways_is_not_edited() {
    let home = Home::new();
    let twice = "{logging: {redactSensitive: 'tools'}, logging: {redactSensitive: 'off'}}";
    home.file("state/openclaw.json", 0o600, twice);
    let fix = &home.json(&["audit", "--fix", "--json"])["fix"];
    assert_eq!((home.config().as_str(), fix["configWritten"].as_bool()), (twice, Some(false)));
    let why = fix["refused"][0]["why"].as_str().unwrap();
    assert!(why.contains("can be understood in two ways"), "{why}");
    assert_eq!(home.mode("state"), 0o700, "the modes are mended");
}

#[test]
fn what_a_hostile_policy_proposes_is_refused_with_a_reason_each() {
    let home = Home::new();
    let config = "{gateway: {bind: 'loopback', auth: {mode: 'token', token: '0123456789abcdef0123456789abcdef'}}, \
                  channels: {telegram: {groupPolicy: 'allowlist'}, whatsapp: {groupPolicy: 'open'}}}";
    home.file("state/openclaw.json", 0o600, config);
    home.file("state/plain", 0o644, "");
    home.file("outside", 0o644, "");
    fs::hard_link(home.path("outside"), home.path("state/twin")).unwrap();
    symlink("../outside", home.path("state/out")).unwrap();
    symlink(".", home.path("state/way")).unwrap();
    drop(UnixListener::bind(home.path("state/socket")).unwrap());
    home.chmod("state/socket", 0o755);
    let component = guest("proposes_harm").component;
    let answer = home.json(&["fix", "--yes", "--json", "--policy", component, "--grant", "all"]);
    let root = home.root.to_string_lossy().into_owned();
    let refused: Vec<String> = answer["fix"]["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refused| format!("{}: {}", refused["what"].as_str().unwrap(), refused["why"].as_str().unwrap()))
        .map(|line| line.replace(&root, "~"))
        .collect();
    assert_eq!(
        refused,
        [
            "~/state: mode 0777 has bits that mode 0755 does not have; a fix can only take permissions away",
            "~/state/plain: mode 4600 has bits that mode 0644 does not have; a fix can only take permissions away",
            "~/state/plain: mode 0200 takes from the owner what mode 0644 gave",
            "~/state/plain: it is not what the policy saw: its mode is 0644, the policy saw 0600",
            "~/state/out: it is a symbolic link; change what it leads to yourself, if that is yours",
            "~/state/way/plain: a symbolic link stands on the way to it",
            "~/state/twin: it has 2 names (hard links), so that a change would show elsewhere too",
            "~/state/socket: it is neither a regular file nor a directory",
            "~/state/none: it cannot be looked at: there is no such object",
            "gateway.auth.mode: there is no rule which values of gateway.auth.mode are stricter, so that a fix may not set it",
            "gateway.auth.token: it is not what the policy saw: the value is another one",
            "gateway/bind: there is no rule which values of gateway/bind are stricter, so that a fix may not set it",
            "channels.telegram.groupPolicy: \"open\" is not stricter than \"allowlist\"",
            "channels.telegram.groupPolicy: an object is no value that the rule for it knows",
            "channels.telegram.groupPolicy: it is not what the policy saw: the value is another one",
            "logging.redactSensitive: nothing is no value that the rule for it knows",
            "channels.telegram.groupAllowFrom: an allowlist may only be filled where the same fix closes the group policy beside it",
            "channels.whatsapp.groupAllowFrom: the proposed allowlist is not a list of names, or admits everyone",
        ]
    );
    // The one proposal that makes something stricter is followed.
    assert_eq!(home.config(), config.replace("'open'", "'allowlist'"));
    assert_eq!((home.mode("outside"), home.mode("state/plain"), home.mode("state")), (0o644, 0o644, 0o755));
}

#[test]
fn a_strangers_trials_that_cannot_be_made_drop_nobody_elses_fix() {
    use chitin::audit::finding::{Finding, Fix};
    let home = Home::new();
    // Before anything is looked at: a policy that lists the folder sees it so.
    home.chmod("state/empty", 0o750);
    let subject = Arc::new(home.read(&Preview::default()));
    let evaluation = evaluate(&SANDBOX, &subject, &policies(), &Limits::default(), &Budget::default());
    let mut report = Report::new(&subject, &evaluation, Terms::default(), 0);
    let fix = Fix::SetMode { view: 0, rel: "empty".into(), expected: 0o750, mode: 0o700 };
    let own = report.findings[0].clone();
    report.findings.push(Finding { policy: "stranger".to_owned(), fixes: vec![fix], ..own });
    let trials = std::cell::Cell::new(0);
    let judge = |preview: &Preview, asked: &dyn Fn(&str) -> bool| {
        trials.set(trials.get() + 1);
        anyhow::ensure!(!asked("stranger"), "no time is left");
        let subject = Arc::new(home.read(preview));
        let evaluation = evaluate(&SANDBOX, &subject, &policies(), &Limits::default(), &Budget::default());
        let report = Report::new(&subject, &evaluation, Terms::default(), 0);
        Ok((subject, report))
    };
    let proven = prove(&subject, &report, &|_| true, &judge).unwrap();
    let of_strangers =
        |proven: &Proven| proven.plan.modes.iter().filter(|mode| mode.rel.ends_with("empty")).count();
    assert_eq!((of_strangers(&proven), proven.plan.values.len(), trials.get()), (0, 1, 2));
    let own = proven.plan.modes.len();
    assert!(own >= MODES.len(), "{:?}", proven.plan.modes);
    let left: Vec<_> = proven.plan.refused.iter().map(|refused| refused.policy.as_str()).collect();
    assert_eq!(left, ["stranger"], "{:?}", proven.plan.refused);
    assert!(proven.plan.refused[0].why.to_string().contains("no time is left"));
    // The control: with time for the trial it is followed, too.
    let judge = |preview: &Preview, _: &dyn Fn(&str) -> bool| {
        let subject = Arc::new(home.read(preview));
        let evaluation = evaluate(&SANDBOX, &subject, &policies(), &Limits::default(), &Budget::default());
        let report = Report::new(&subject, &evaluation, Terms::default(), 0);
        Ok((subject, report))
    };
    let proven = prove(&subject, &report, &|_| true, &judge).unwrap();
    assert_eq!((of_strangers(&proven), proven.plan.modes.len(), proven.plan.refused.len()), (1, own + 1, 0));
}

/// An access list as the kernel keeps it: tag, permissions and account of each entry.
fn access_list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, account) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(account.to_le_bytes());
    }
    bytes
}

/// One that gives this account `permissions`, in an object of this mode.
fn letting_in(account: u32, permissions: u16, mode: u16) -> Vec<u8> {
    const NOBODY: u32 = u32::MAX;
    access_list(&[
        (0x01, mode >> 6 & 7, NOBODY),
        (0x02, permissions, account),
        (0x04, 4, NOBODY),
        (0x10, mode >> 3 & 7, NOBODY),
        (0x20, mode & 7, NOBODY),
    ])
}

/// False, with the reason printed, where the file system keeps no access lists.
fn set(path: &std::path::Path, name: &str, value: &[u8]) -> bool {
    match rustix::fs::setxattr(path, name, value, rustix::fs::XattrFlags::empty()) {
        Ok(()) => true,
        Err(errno) => {
            assert_eq!(errno, rustix::io::Errno::NOTSUP, "{name}");
            eprintln!("skipped: {} keeps no {name}", path.display());
            false
        }
    }
}

fn get(path: &std::path::Path, name: &str) -> Option<Vec<u8>> {
    let mut value = [0; 1024];
    let length = rustix::fs::getxattr(path, name, &mut value[..]).ok()?;
    Some(value[..length].to_vec())
}

const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";

/// Home with an access list and an attribute on the config, an access list on a login, and a default one on the folder.
fn with_access_lists() -> Option<Home> {
    let home = Home::new();
    let config = home.path("state/openclaw.json");
    let login = home.path("state/agents/main/agent/auth-profiles.json");
    let all = set(&home.path("state"), DEFAULT, &letting_in(1234, 7, 0o777))
        && set(&config, ACCESS, &letting_in(1235, 4, 0o644))
        && set(&config, "user.note", b"keep me")
        && set(&login, ACCESS, &letting_in(1236, 6, 0o664));
    all.then_some(home)
}

fn access_lists(home: &Home) -> Vec<Option<Vec<u8>>> {
    let config = home.path("state/openclaw.json");
    let login = home.path("state/agents/main/agent/auth-profiles.json");
    vec![
        get(&config, ACCESS),
        get(&config, "user.note"),
        get(&login, ACCESS),
        get(&home.path("state"), DEFAULT),
        get(&home.path("state"), ACCESS),
    ]
}

#[test]
fn access_lists_and_attributes_stay_and_undo_brings_them_back() {
    let Some(home) = with_access_lists() else { return };
    let before = access_lists(&home);
    assert!(home.apply(&home.prepare(), &mut |_| Ok(())).failed.is_empty());
    home.is_fixed();
    let after = access_lists(&home);
    let narrowed = [
        Some(letting_in(1235, 4, 0o600)),
        Some(b"keep me".to_vec()),
        Some(letting_in(1236, 6, 0o600)),
        before[3].clone(),
        None,
    ];
    assert_eq!(after, narrowed);
    let (record, kept) = home.undo();
    assert_eq!((record.outcome, kept), (Some(Outcome::Undone), 0));
    assert_eq!(access_lists(&home), before);
    home.is_untouched();
}

#[test]
fn a_fault_at_any_step_widens_no_access_list() {
    let Some(first) = with_access_lists() else { return };
    let mut steps = Vec::new();
    first.apply(&first.prepare(), &mut |name| {
        steps.push(name);
        Ok(())
    });
    for (number, name) in steps.iter().enumerate() {
        let home = with_access_lists().unwrap();
        let before = access_lists(&home);
        let mut count = 0;
        let applied = home.apply(&home.prepare(), &mut |_| {
            count += 1;
            if count == number + 1 { Err(rustix::io::Errno::NOSPC.into()) } else { Ok(()) }
        });
        assert_eq!(applied.failed.len(), 1, "{name}");
        for (now, (wide, mode)) in access_lists(&home).iter().zip([
            (&before[0], 0o600),
            (&before[1], 0),
            (&before[2], 0o600),
            (&before[3], 0),
            (&before[4], 0),
        ]) {
            let narrow = wide.as_ref().filter(|_| mode != 0).map(|list| {
                let account = u32::from_le_bytes(list[16..20].try_into().unwrap());
                letting_in(account, u16::from_le_bytes(list[14..16].try_into().unwrap()), mode)
            });
            assert!(now == wide || *now == narrow, "{name}: {now:?}");
        }
        let (_, kept) = home.undo();
        assert_eq!(kept, 0, "{name}");
        assert_eq!(access_lists(&home), before, "{name}");
        home.is_untouched();
    }
}

#[test]
fn an_access_list_that_changes_meanwhile_is_left_to_whoever_changed_it() {
    if with_access_lists().is_none() {
        return;
    }
    let login = "state/agents/main/agent/auth-profiles.json";
    let list = letting_in(1300, 4, 0o664);
    let (home, applied) = disturbed("open the object", |home| {
        assert!(set(&home.path(login), ACCESS, &list));
    });
    assert_eq!(get(&home.path(login), ACCESS), Some(list.clone()));
    assert_eq!((applied.failed.len(), home.mode(login)), (1, 0o664));
    let list = letting_in(1300, 4, 0o644);
    let (home, applied) = disturbed("put the new file in place", |home| {
        assert!(set(&home.path("state/openclaw.json"), ACCESS, &list));
    });
    assert_eq!((home.config().as_str(), applied.failed.len()), (BEFORE, 1));
    assert_eq!(get(&home.path("state/openclaw.json"), ACCESS), Some(list));
    assert_eq!(home.leftovers(), [""; 0]);
}

#[test]
fn what_is_replaced_after_a_fix_is_not_widened_by_undo() {
    let home = Home::new();
    assert!(home.apply(&home.prepare(), &mut |_| Ok(())).failed.is_empty());
    for rel in ["state/agents/main/agent/auth-profiles.json", "state/openclaw.json"] {
        let content = fs::read(home.path(rel)).unwrap();
        fs::remove_file(home.path(rel)).unwrap();
        fs::write(home.path(rel), content).unwrap();
        home.chmod(rel, 0o600);
    }
    let (record, kept) = home.undo();
    assert_eq!((record.outcome, kept), (Some(Outcome::Partial), 2));
    assert_eq!((home.config(), home.mode("state/openclaw.json")), (after(), 0o600));
    assert_eq!(home.mode("state/agents/main/agent/auth-profiles.json"), 0o600);
    assert_eq!(home.mode("state/agents/main/sessions/1.jsonl"), 0o640, "the control is taken back");
}

#[test]
fn an_undo_after_an_undo_that_was_made_in_part_goes_on() {
    let home = Home::new();
    assert!(home.apply(&home.prepare(), &mut |_| Ok(())).failed.is_empty());
    home.chmod("state", 0o750);
    assert_eq!(home.undo().1, 1);
    assert_eq!(home.config(), BEFORE);
    home.chmod("state", 0o700);
    let (record, kept) = home.undo();
    assert_eq!((record.outcome, kept), (Some(Outcome::Undone), 0));
    home.is_untouched();
}

#[test]
fn a_state_directory_that_is_swapped_before_the_change_is_left_alone() {
    let home = Home::new();
    let proven = home.prepare();
    fs::rename(home.path("state"), home.path("real")).unwrap();
    let copied =
        Command::new("cp").arg("-a").arg(home.path("real")).arg(home.path("state")).status().unwrap();
    assert!(copied.success());
    let applied = home.apply(&proven, &mut |_| Ok(()));
    assert_eq!((applied.made(), applied.run.is_none()), (0, true));
    home.is_untouched();
}

#[test]
fn a_folder_that_is_renamed_while_its_files_change_is_held() {
    let make = || {
        let home = Home::new();
        for number in 2..6 {
            home.file(&format!("state/agents/main/sessions/{number}.jsonl"), 0o644, "");
        }
        home
    };
    let home = make();
    let proven = home.prepare();
    let (mut modes, mut done) = (0, false);
    let applied = home.apply(&proven, &mut |name| {
        modes += usize::from(name == "set the mode");
        if modes == 3 && !done {
            done = true;
            fs::rename(home.path("state/agents/main/sessions"), home.path("moved")).unwrap();
            fs::create_dir(home.path("state/agents/main/sessions")).unwrap();
            for number in 1..6 {
                home.file(&format!("state/agents/main/sessions/{number}.jsonl"), 0o644, "another");
            }
        }
        Ok(())
    });
    assert!(done);
    for number in 1..6 {
        let other = home.mode(&format!("state/agents/main/sessions/{number}.jsonl"));
        assert_eq!(other, 0o644, "what was put there meanwhile is another object");
        let own = home.mode(&format!("moved/{number}.jsonl"));
        assert!(own == 0o600 || !applied.failed.is_empty(), "{number}");
    }
}

#[test]
fn a_hard_link_or_a_link_that_comes_meanwhile_leaves_the_file_alone() {
    let transcript = "state/agents/main/sessions/1.jsonl";
    let (home, applied) = disturbed("open the object", |home| {
        fs::hard_link(home.path(transcript), home.path("twin")).unwrap();
        fs::hard_link(home.path("state/agents/main/agent/auth-profiles.json"), home.path("other")).unwrap();
    });
    assert_eq!((home.mode(transcript), home.mode("twin"), home.mode("other")), (0o640, 0o640, 0o664));
    assert_eq!(applied.failed.len(), 2, "{:?}", applied.failed);
    let (home, applied) = disturbed("write the new file", |home| {
        home.file("outside", 0o644, "");
        fs::remove_file(home.path(transcript)).unwrap();
        symlink(home.path("outside"), home.path(transcript)).unwrap();
    });
    assert_eq!((home.mode("outside"), applied.failed.len()), (0o644, 1));
}
