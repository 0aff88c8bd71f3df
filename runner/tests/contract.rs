//! The contract in `wit/`: every item says what it means, and a change of the text is a change of the version.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test stops where it cannot read what it tests"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use chitin::audit::{Basis, Evaluation, Origin, Planned, Report, Subject, Terms, evaluate};
use chitin::budget::Budget;
use chitin::policy::cache::Cache;
use chitin::policy::catalog::{BUILTIN, Builtin};
use chitin::sandbox::check::CONTRACT_VERSION;
use chitin::sandbox::limits::Limits;
use chitin::sandbox::{Code, Sandbox, compile};
use chitin::target::{Environment, Request, locate};
use chitin_test_support::POLICIES;
use sha2::{Digest as _, Sha256};

/// The first version, and its text.
const FINAL: (&str, &str) = ("1.0.0", "7d9c3c2de5a899fe3340cc7f80fe3cc8f3f2c582175d510212344500ee22c92d");

/// Each version, and the digest of the files that made it, in the order of time.
const LOCK: &str = "tests/corpus/contract.lock";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Name and text of each file, in byte order of the names.
fn files() -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fs::read_dir(root().join("wit"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "wit"))
        .map(|path| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_item_is_documented() {
    for (name, text) in files() {
        let mut before = "";
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            let item = !(line.is_empty()
                || line.starts_with("///")
                || line.starts_with('}')
                || ["use ", "import ", "package "].iter().any(|word| line.starts_with(word)));
            assert!(!item || before.starts_with("///"), "{name}:{}: \"{line}\" has no ///", number + 1);
            before = line;
        }
    }
}

#[test]
fn every_function_of_the_runner_says_what_denies_it() {
    for (name, text) in files() {
        let mut comment = String::new();
        for line in text.lines().map(str::trim) {
            if let Some(words) = line.strip_prefix("///") {
                comment.push_str(words);
                continue;
            }
            let is_function = line.contains(": func(") || line.contains(": static func(");
            if is_function && !line.starts_with("export ") {
                assert!(comment.contains("Denied"), "{name}: \"{line}\" does not say what denies it");
            }
            comment.clear();
        }
    }
}

#[test]
fn no_record_is_declared_in_the_world() {
    // Some tools make invalid components of those.
    let (_, text) = files().into_iter().find(|(name, _)| name == "policy.wit").unwrap();
    for kind in ["record ", "variant ", "enum ", "flags ", "resource "] {
        assert!(!text.lines().any(|line| line.trim().starts_with(kind)), "{kind}");
    }
}

#[test]
fn a_comment_has_no_backslash() {
    // One of the languages' tools breaks on it.
    for (name, text) in files() {
        assert!(!text.contains('\\'), "{name}");
    }
}

#[test]
fn a_change_of_the_text_is_a_change_of_the_version() {
    let mut digest = Sha256::new();
    for (name, text) in files() {
        digest.update(name);
        digest.update([0]);
        digest.update(text);
        digest.update([0]);
    }
    let digest = digest.finalize().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    let policy = files().into_iter().find(|(name, _)| name == "policy.wit").unwrap().1;
    assert!(
        policy.contains(&format!("package chitin:policy@{CONTRACT_VERSION};")),
        "the runner speaks another version"
    );
    let locked = fs::read_to_string(root().join(LOCK)).unwrap_or_default();
    let versions: Vec<(&str, &str)> = locked.lines().map(|line| line.split_once(' ').unwrap()).collect();
    assert_eq!(versions.first(), Some(&FINAL), "1.0.0 is final: its line in {LOCK} stays as it is");
    let is_once = |version: &str| versions.iter().filter(|(known, _)| *known == version).count() == 1;
    assert!(versions.iter().all(|(version, _)| is_once(version)), "a version has one text");
    assert_eq!(
        versions.last(),
        Some(&(CONTRACT_VERSION, digest.as_str())),
        "wit/ is not what {LOCK} says: raise the version in wit/policy.wit and check.rs, write into CHANGELOG.md what changed for \
         policies, and add a line to {LOCK}"
    );
}

/// What is known of an installation before policies look at it.
fn subject(home: &Path) -> Arc<Subject> {
    let mut environment: Environment = [("HOME", home.to_str().unwrap())].into_iter().collect();
    let (located, problems) = locate(&Request::default(), &mut environment, home).unwrap();
    let config = chitin::config::load(&located, &mut environment);
    let basis = Basis { deep: true, ..Basis::default() };
    Arc::new(Subject::new(located, environment, config, problems, &basis))
}

fn of_subject(subject: &Arc<Subject>, sandbox: &Sandbox, plan: &[Arc<Planned>]) -> Evaluation {
    evaluate(sandbox, subject, plan, &Limits::default(), &Budget::default())
}

/// What the policies of a plan say of an installation.
fn said(home: &Path, sandbox: &Sandbox, plan: &[Arc<Planned>]) -> Evaluation {
    of_subject(&subject(home), sandbox, plan)
}

/// The runner's own policies are built into one component, without WASI, which they never call. They are nothing that a stranger's could
/// not be: each, as if a stranger had written it and the operator had granted all that it asks for, says the same to the byte.
#[test]
fn each_built_in_policy_says_the_same_as_a_strangers_component() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().canonicalize().unwrap();
    assert!(Command::new(root().join("tests/corpus/demo/install")).arg(&home).status().unwrap().success());
    let cache = Cache::of(&[("HOME", home.to_str().unwrap())].into_iter().collect(), None);
    let program = Path::new(env!("CARGO_BIN_EXE_chitin"));
    assert_eq!(POLICIES.len(), BUILTIN.len());
    let (mut own, mut strangers) = (Vec::new(), Vec::new());
    for ((number, builtin), (id, file)) in BUILTIN.iter().enumerate().zip(POLICIES) {
        let manifest = builtin.manifest().unwrap();
        assert_eq!(manifest.policy.id, *id);
        // The manifest is put in as `chitin policy pack` does it.
        let packed = chitin::author::pack::pack(&fs::read(file).unwrap(), builtin.manifest, None).unwrap();
        let code = compile::in_child(program, &packed.bytes, &Budget::default()).unwrap();
        let (file, _) = cache.keep(&code.label(&packed.bytes).unwrap(), code.bytes()).unwrap();
        own.push(Arc::new(Planned::builtin(number, manifest.clone())));
        let (granted, code) = (manifest.capabilities.clone(), Ok(Code::in_file(file)));
        strangers.push(Arc::new(Planned::new(manifest, granted, code, Origin::File)));
    }
    let sandbox = Sandbox::new().unwrap();
    let subject = subject(&home);
    let [own, strangers] = [own, strangers].map(|plan| of_subject(&subject, &sandbox, &plan));
    assert_eq!(own.outcomes.len(), strangers.outcomes.len());
    for (own, stranger) in own.outcomes.iter().zip(&strangers.outcomes) {
        let id = &own.manifest.policy.id;
        let told = |outcome: &chitin::audit::Outcome| {
            format!("{:?} {:?} {:?} {:?}", outcome.verdict, outcome.open, outcome.gap, outcome.denied)
        };
        assert_eq!(told(own), told(stranger), "{id}");
    }
    let [own, strangers] = [own, strangers].map(|evaluation| {
        serde_json::to_string_pretty(&Report::new(&subject, &evaluation, Terms::default(), 0)).unwrap()
    });
    assert!(own.matches("\"checkId\"").count() > 100, "{own}");
    assert_eq!(own, strangers);
}

/// The built-in policies, but for the one that wants a live gateway.
fn without_gateway() -> Vec<Arc<Planned>> {
    let planned = |(number, builtin): (usize, &Builtin)| {
        Arc::new(Planned::builtin(number, builtin.manifest().unwrap()))
    };
    let all = BUILTIN.iter().enumerate().map(planned);
    all.filter(|planned| !planned.manifest.capabilities.gateway).collect()
}

/// Instances of the built-in policies take turns in the same memory. What one has left there would change what the next one does, and
/// with it the work that it takes.
#[test]
fn no_run_of_a_built_in_policy_meets_what_another_one_left() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().canonicalize().unwrap();
    assert!(Command::new(root().join("tests/corpus/demo/install")).arg(&home).status().unwrap().success());
    let all = without_gateway();
    let shared = Sandbox::new().unwrap();
    // Each has another one before it.
    let backwards: Vec<_> = all.iter().rev().cloned().collect();
    let of = |evaluation: &Evaluation, id: &str| {
        let told = |outcome: &chitin::audit::Outcome| {
            format!("{:?} {:?} fuel {}", outcome.verdict, outcome.open, outcome.stages.fuel)
        };
        let own = evaluation.outcomes.iter().filter(|outcome| outcome.manifest.policy.id == id);
        own.map(told).collect::<Vec<_>>()
    };
    let [first, after_others, again] = [&all, &backwards, &all].map(|plan| said(&home, &shared, plan));
    for planned in &all {
        let id = &planned.manifest.policy.id;
        let told = of(&first, id);
        assert!(!told.is_empty(), "{id} did not run");
        assert_eq!((of(&after_others, id), of(&again, id)), (told.clone(), told), "{id}");
    }
}

/// Where several targets are looked at, what is told the same is answered from memory, and says the same as where it runs.
#[test]
fn an_answer_that_is_known_is_the_one_that_the_policy_gives() {
    let homes = tempfile::tempdir().unwrap();
    let homes = homes.path().canonicalize().unwrap();
    let install = root().join("tests/corpus/demo/install");
    let home = |name: &str| {
        let home = homes.join(name);
        assert!(Command::new(&install).arg(&home).status().unwrap().success());
        home
    };
    let (one, same, other, more) = (home("one"), home("same"), home("other"), home("more"));
    fs::write(other.join(".openclaw/openclaw.json"), "{ tools: { profile: 'full' } }").unwrap();
    fs::write(more.join(".openclaw/exec-approvals.json"), "{}").unwrap();
    // Two secrets that a look tells apart by nothing but whether they are equal.
    let tokens = |name: &str, of_hooks: &str| {
        let home = home(name);
        let config = format!(
            "{{ gateway: {{ auth: {{ mode: 'token', token: '0f2d9b6c71e84a5390b7c2d1' }} }}, hooks: {{ enabled: true, token: '{of_hooks}' }} }}"
        );
        fs::write(home.join(".openclaw/openclaw.json"), config).unwrap();
        home
    };
    let (apart, equal) =
        (tokens("apart", "1f2d9b6c71e84a5390b7c2d1"), tokens("equal", "0f2d9b6c71e84a5390b7c2d1"));
    let all = without_gateway();
    let sandbox = Sandbox::new().unwrap();
    let targets = [&one, &other, &same, &more, &apart, &equal, &apart];
    let alone = targets.map(|home| said(home, &sandbox, &all));
    sandbox.keep_answers();
    let among = targets.map(|home| said(home, &sandbox, &all));
    let told = |evaluation: &Evaluation| -> Vec<String> {
        let told = |outcome: &chitin::audit::Outcome| {
            format!("{}: {:?} {:?}", outcome.manifest.policy.id, outcome.verdict, outcome.open)
        };
        evaluation.outcomes.iter().map(told).collect()
    };
    for (alone, among) in alone.iter().zip(&among) {
        assert_eq!(told(alone), told(among));
    }
    let ran = |evaluation: &Evaluation| -> BTreeSet<String> {
        let ran = evaluation.outcomes.iter().filter(|outcome| outcome.stages.fuel > 0);
        ran.map(|outcome| outcome.manifest.policy.id.clone()).collect()
    };
    assert_eq!(ran(&among[0]), ran(&alone[0]), "nothing was known yet");
    let [again, more] = [ran(&among[2]), ran(&among[3])];
    assert!(again.len() < ran(&alone[2]).len() / 3, "most are known: {again:?}");
    assert!(again.contains("synced-folders"), "it is told a path");
    assert!(more.contains("exec-approvals") && !again.contains("exec-approvals"), "{more:?}");
    let reused =
        |evaluation: &Evaluation| told(evaluation).join(" ").contains("hooks.token_reuse_gateway_token");
    assert_eq!([4, 5, 6].map(|number: usize| reused(&among[number])), [false, true, false]);
    assert!(!ran(&among[6]).contains("webhook-ingress"), "what is told of a secret can be told again");
}

/// The code of the built-in policies lies at one place, and one engine can have it at a time. Sandboxes of one process share it.
#[test]
fn two_sandboxes_of_one_process_say_the_same() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().canonicalize().unwrap();
    assert!(Command::new(root().join("tests/corpus/demo/install")).arg(&home).status().unwrap().success());
    let all = without_gateway();
    let (first, second) = (Sandbox::new().unwrap(), Sandbox::new().unwrap());
    let told = |sandbox: &Sandbox| -> Vec<String> {
        let outcomes = said(&home, sandbox, &all).outcomes;
        assert!(outcomes.iter().all(|outcome| outcome.verdict.is_ok()));
        outcomes.iter().map(|outcome| format!("{:?} {:?}", outcome.verdict, outcome.open)).collect()
    };
    assert_eq!(told(&first), told(&second));
    drop(first);
    assert!(!told(&second).is_empty());
}
